import { epochRules } from '../loop/common-rules.ts';
import { fixed, free, place, real, type SettingRules, text } from '../loop/setting-rules.ts';
import type { ClassifierSettings } from './settings.ts';

/** The rules of the settings of a classifier. */
export const classifierRules: SettingRules<ClassifierSettings> = {
  ...epochRules,
  model: place('any-model'),
  category: fixed('it decides what the labels are', text),
  minScore: fixed('it decides what the labels are', real()),
  falsePositiveRate: free(real({ min: 0, max: 1 })),
};
