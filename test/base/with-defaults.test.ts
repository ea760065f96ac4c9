import { expect, it } from 'vitest';
import { withDefaults } from '../../src/base/with-defaults.ts';

it('takes what is given, and the default of what is undefined or left out', () => {
  const defaults: { a: number; b: number | null; c: string } = { a: 1, b: 2, c: 'three' };
  expect(withDefaults(defaults, { a: 0, b: null, c: undefined })).toEqual({ a: 0, b: null, c: 'three' });
  expect(withDefaults(defaults, {})).toEqual(defaults);
});
