// SPDX-License-Identifier: MIT
// A rule of textlint. It reports long sentences, and phrases that documentation must not use. Each pattern
// is matched against one sentence, in which code is a word of the letter x. examples.md tests the patterns.
'use strict';

const MAX_WORDS = 35;
const LONG_ALLOWED_IN = ['docs/decisions.md', 'docs/internals.md'];
const PATTERNS = [
  [/^what\b.*\b(is|are|was|were|has|have|can|must|may|goes|comes|stays)\b.*[.:]$/, 'put the subject first'],
  [/^who(ever)?\b.*\.$/, 'address the reader as "you"'],
  [/^(asked|counted|kept|meant|measured|passed|refused|said|stored|told) (is|are)\b/, 'put the subject first'],
  [/\bof (all )?(which|whom|who)\b/, 'split the sentence'],
  [/\ball (who|which)\b/, 'name them, as in "all callers that"'],
  [/\b(he who|that which|those which)\b/, 'name the thing'],
  [/\bone (asks|computes|gets|knows|needs|wants)\b/, 'name who does it, or use "you"'],
  [/\bnothing (stood|stands)\b|\bstood\b|\bstands? (as|at|before|in|on|there|under)\b/, 'use "is", "exists" or "has"'],
  [/\b(is|are|was|were|be|been) (said|told)\b/, 'use the active voice, as in "the error names"'],
  [/\bfor (it|they|this|these|those|that|only|you) (is|are|was|were|has|have|can|cannot|does|do|will|may|must|you)\b/,
    'use "because"'],
  [/\bof (its|their|our|one's) own\b/, 'put "its own" before the noun'],
  [/\banew\b/, 'use "again"'],
  [/\bgives? back\b/, 'use "returns"'],
  [/\b(that|which|who) (is|are) (no|none)\b/, 'use "is not a"'],
  [/\b(can|may|is to|are to) be had\b/, 'use "is available"'],
  [/\bthe same as to\b|\bbe it\b|\bin vain\b|\bas it were\b|\bwhat of it\b|\ball the same\b/, 'use a plain phrase'],
  [/\b(albeit|ere|hence|henceforth|herein|hereby|lest|naught|nought|thereof|therein|thus|upon|whereby|wherein|whereof|whilst)\b/,
    'use a modern word'],
  [/\bbeside\b/, 'use "next to", "besides" or "with"'],
  [/\b(borne|twins?|untidy)\b/, 'use the term of the field'],
].map(([pattern, message]) => [new RegExp(pattern, 'i'), message]);

const blank = text => text.replace(/\S/g, 'x');

module.exports = context => {
  const { Syntax, RuleError, getSource, locator, report } = context;
  const file = context.getFilePath() || '';
  const maxWords = LONG_ALLOWED_IN.some(name => file.endsWith(name)) ? Infinity : MAX_WORDS;

  // Returns the text in which each piece of code and each address is a word of the same length.
  function readText(node) {
    let text = getSource(node);
    const hide = child => {
      if (child.type === Syntax.Code) {
        const [begin, end] = child.range.map(offset => offset - node.range[0]);
        text = text.slice(0, begin) + 'x'.repeat(end - begin) + text.slice(end);
      }
      (child.children || []).forEach(hide);
    };
    hide(node);
    return text.replace(/\]\([^)]*\)/g, blank).replace(/\n/g, ' ');
  }

  function check(node) {
    for (const { 0: sentence, index } of readText(node).matchAll(/\S.*?(?:[.!?](?=[\s)*_]|$)|$)/g)) {
      const add = message => report(node, new RuleError(message, { padding: locator.at(index) }));
      const count = (sentence.match(/[\w'’-]+/g) || []).length;
      if (count > maxWords) add(`${count} words in a sentence; at most ${maxWords} are read well`);
      for (const [pattern, message] of PATTERNS) {
        const found = pattern.exec(sentence);
        if (found) add(`"${found[0].slice(0, 40)}": ${message}`);
      }
    }
  }

  return { [Syntax.Paragraph]: check, [Syntax.Header]: check, [Syntax.TableCell]: check };
};
