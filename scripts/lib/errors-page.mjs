/** Breaks a paragraph into lines of at most 100 columns. */
function wrap(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== '' && line.length + 1 + word.length > 100) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

/** docs/reference/errors.md, from the errorTable of src/base/errors.ts. */
export function errorsPage(table) {
  const introduction = wrap(
    'Every failure that athanor reports is an `AthanorError`: `code` is one of the words below, `message` says what ' +
      'failed and where, and `remedy`, where there is one, says what to do about it. A command prints all three. Its ' +
      'exit code is 2 for `ERR_OPTION` and `ERR_CONFIG`, 130 for `ERR_INTERRUPTED` and 1 for all others.',
  );
  const sections = Object.entries(table)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { meaning, remedy }]) => `## ${code}\n${wrap(meaning)}\n\n${wrap(`**Remedy.** ${remedy}`)}\n`,
    );
  const origin = '<!-- Written by scripts/make-errors-page.mjs from src/base/errors.ts: change it there. -->';
  return `# Errors\n${origin}\n\n${introduction}\n\n${sections.join('\n')}`;
}
