/** What DPO and KTO begin with: a policy, and rows that its frozen start has read. */
import type { Gpt } from '../../nn/gpt.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';
import { chatTokenizer, checkedContext, folderFields, loadChatModel } from '../loop/chat-model.ts';
import type { StageContext } from '../loop/run-stage.ts';
import { type EpochSettings, policyOptions } from '../loop/settings.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';

/** Rows of a data set in its two parts, and what is to be said of them. */
interface Split<Row> {
  train: readonly Row[];
  validation: readonly Row[];
  notes: string[];
}

export interface ReferencedPolicy<Row> extends Split<Row> {
  policy: TrainableModel<Gpt>;
  /** The longest example in tokens. */
  context: number;
}

/**
 * @param read gives the encoded rows of the settings; throws what this throws
 * @param refer lets the reference read rows
 */
export async function referencedPolicy<Settings extends EpochSettings, Encoded, Row>(
  settings: Settings,
  { out, checkpoint }: StageContext,
  read: (settings: Settings, template: ChatTemplate, context: number) => Promise<Split<Encoded>>,
  refer: (reference: Gpt, rows: readonly Encoded[]) => Row[],
): Promise<ReferencedPolicy<Row>> {
  const { tokenizer, template, folder } = chatTokenizer(settings.model, out);
  // The reference's log-probabilities never change: compute them once, then free the reference.
  const reference = loadChatModel(settings.model, tokenizer, policyOptions(settings));
  const context = checkedContext(settings.context, reference, settings.model);
  const { notes, ...data } = await read(settings, template, context);
  const train = refer(reference, data.train);
  const validation = refer(reference, data.validation);
  reference.dispose();
  const start = startFolder(settings.model, checkpoint, settings);
  const policy = new TrainableModel(loadChatModel(start, tokenizer, policyOptions(settings)), {
    ...settings,
    tokenizerFolder: folder,
    ...folderFields(start, template),
  });
  return { policy, context, train, validation, notes };
}
