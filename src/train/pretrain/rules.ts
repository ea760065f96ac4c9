import { isPackagedName } from '../../data/packaged/packaged.ts';
import { isSchedule } from '../../data/shards/mix.ts';
import { presetNames } from '../../nn/presets.ts';
import { commonRules, sampleRules } from '../loop/common-rules.ts';
import {
  bits,
  type Expectation,
  fixed,
  free,
  length,
  place,
  real,
  type SettingRules,
  texts,
  toggle,
  whole,
} from '../loop/setting-rules.ts';
import { MAX_VOCABULARY, type PretrainSettings } from './settings.ts';

const mixes: Expectation = {
  text: 'proportions of sources such as web=0.6,books=0.4, or phases to the end of the run',
  accepts: (value) => (typeof value === 'string' ? value !== '' : isSchedule(value)),
};

/** The rules of the settings of pretraining. */
export const pretrainRules: SettingRules<PretrainSettings> = {
  ...commonRules,
  data: place('file', { isName: isPackagedName }),
  model: place('language-model', { isName: (name) => presetNames.includes(name) }),
  tokens: length(whole(1)),
  time: length(real({ min: 0, exclusive: true })),
  batchSize: bits(whole(1)),
  context: fixed('it decides how the text is cut into windows', whole(2)),
  vocabSize: fixed('the tokenizer and the embedding have this size', whole(257, MAX_VOCABULARY)),
  documentMask: bits(toggle),
  mix: bits(mixes),
  beta2: bits(real({ min: 0, below: 1 })),
  evalTokens: free(whole(1)),
  samplePrompt: free(texts),
  ...sampleRules,
};
