import { expect, test } from 'vitest';
import { FilterChain, filterDocuments } from '../../../src/data/filters/filter-documents.ts';
import { createFilters } from '../../../src/data/filters/presets.ts';

test('settings change, switch off and switch on rules', async () => {
  const [filter] = await createFilters(['gopher-quality:min-words=5:max-words=off:max-hashes=on']);
  expect(filter!.rules).toMatchObject({ 'min-words': 5, 'max-hashes': 0.1 });
  expect(filter!.rules).not.toHaveProperty('max-words');
});

test('a recipe has the order of FineWeb', async () => {
  const filters = await createFilters(['fineweb-pipeline', 'pii']);
  const names = ['language', 'gopher-repetition', 'gopher-quality', 'c4', 'fineweb', 'pii'];
  expect(filters.map(({ name }) => name)).toEqual(names);
  expect(filters[3]!.rules).not.toHaveProperty('terminal-punctuation');
  for (const { version } of filters) expect(version).not.toBe('');
});

test.each([
  ['gopher-qualty', 'did you mean gopher-quality?'],
  ['', 'there is no filter'],
  ['c4:min-sentence=3', 'no rule min-sentence'],
  ['c4:min-sentences=many', 'a number but got many'],
  ['c4:javascript=3', 'on or off but got 3'],
  ['c4:javascript', 'rule=value but got javascript'],
  ['fineweb-pipeline:min-words=3', 'there is no filter fineweb-pipeline'],
])('refuses %s', async (entry, message) => {
  const error = await createFilters([entry]).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'ERR_OPTION' });
  expect(String(error) + String((error as { remedy?: string }).remedy)).toContain(message);
});

test('measures every rule of a text, whatever its thresholds say', async () => {
  const chain = await FilterChain.create(['gopher-quality:max-words=off', 'c4', 'fineweb', 'length']);
  const values = chain.measure('# One line of it, and that is all.\nThe other…\n');
  expect(values).toMatchObject({
    'gopher-quality.min-words': 10,
    'gopher-quality.min-stop-words': 3,
    'gopher-quality.max-ellipsis-lines': 0.5,
    'fineweb.min-terminated-lines': 0.5,
    'length.max-characters': 46,
  });
  expect(Object.keys(values)).toHaveLength(9 + 5 + 4);
  expect(chain.funnel[0]).toMatchObject({ documents_in: 0 });
});

test('refuses a field that is neither name nor rules', async () => {
  const spec = { name: 'c4' as const, rule: { javascript: false } };
  await expect(createFilters([spec])).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: expect.stringContaining('a field rule'),
  });
});

test('counts documents and bytes before and after each filter', async () => {
  const chain = await FilterChain.create(['length:min-words=2', 'pii', 'length:max-characters=20']);
  const texts = ['eins', 'one two', 'é a@b.co', 'three words here and more'];
  const documents = texts.map((text, i) => ({ id: String(i), source: 's', text }));
  const results = [];
  for await (const result of filterDocuments(documents, chain)) results.push(result);
  expect(
    results.map((result) => ('document' in result ? result.document.text : result.rejection.rule)),
  ).toEqual(['min-words', 'one two', 'é email@example.com', 'max-characters']);
  expect(results[1]).toEqual({ document: documents[1] });
  expect(results[3]).toMatchObject({ rejected: documents[3] });
  expect(chain.funnel).toMatchObject([
    {
      filter: 'length',
      documents_in: 4,
      documents_out: 3,
      bytes_in: 45,
      bytes_out: 41,
      rejected: { 'min-words': 1 },
    },
    { filter: 'pii', documents_in: 3, documents_out: 3, bytes_in: 41, bytes_out: 52, rejected: {} },
    { documents_in: 3, documents_out: 2, bytes_in: 52, bytes_out: 27, rejected: { 'max-characters': 1 } },
  ]);
});
