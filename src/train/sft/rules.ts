import { epochRules, sampleRules } from '../loop/common-rules.ts';
import { bits, fixed, free, real, type SettingRules, texts, toggle, word } from '../loop/setting-rules.ts';
import type { SftSettings } from './settings.ts';

/** The rules of the settings of SFT. */
export const sftRules: SettingRules<SftSettings> = {
  ...epochRules,
  packing: fixed('it decides which examples share a row', toggle),
  overLong: fixed('it decides which examples are trained on', word('truncate', 'drop')),
  neftuneAlpha: bits(real({ min: 0 })),
  samplePrompt: free(texts),
  ...sampleRules,
};
