import { epochRules } from '../loop/common-rules.ts';
import { bits, place, real, type SettingRules, word } from '../loop/setting-rules.ts';
import type { DpoSettings, KtoSettings, RewardSettings } from './settings.ts';

/** The rules of the settings of reward modelling. */
export const rewardRules: SettingRules<RewardSettings> = {
  ...epochRules,
  model: place('any-model'),
  centering: bits(real({ min: 0 })),
  normalize: place('file'),
};

/** The rules of the settings of DPO. */
export const dpoRules: SettingRules<DpoSettings> = {
  ...epochRules,
  beta: bits(real({ min: 0, exclusive: true })),
  loss: bits(word('sigmoid', 'hinge', 'ipo')),
  labelSmoothing: bits(real({ min: 0, max: 0.49 })),
};

/** The rules of the settings of KTO. */
export const ktoRules: SettingRules<KtoSettings> = {
  ...epochRules,
  beta: bits(real({ min: 0, exclusive: true })),
  loss: bits(word('kto', 'apo-zero')),
  desirableWeight: bits(real({ min: 0, exclusive: true })),
  undesirableWeight: bits(real({ min: 0, exclusive: true })),
};
