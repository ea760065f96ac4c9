/**
 * From text to a conversation: pretrains a tiny model on a few sentences, fine-tunes it on
 * questions, and asks it one.
 * Run it with: npm run example pretrain-and-chat
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatTemplate, Conversation, loadModel, pretrain, sft, Tokenizer } from 'athanor';

const folder = mkdtempSync(join(tmpdir(), 'athanor-example-'));
const at = (name: string) => join(folder, name);
const capitals = { France: 'Paris', Japan: 'Tokyo', Kenya: 'Nairobi', Peru: 'Lima', Norway: 'Oslo' };
const facts = Object.entries(capitals).map(([land, city]) => `The capital of ${land} is ${city}.`);
const text = Array.from({ length: 400 }, (_, i) => facts[i % facts.length]).join('\n');
writeFileSync(at('text.jsonl'), Array.from({ length: 40 }, () => JSON.stringify({ text })).join('\n'));
const rows = Object.entries(capitals).map(([land, city], i) => {
  return { prompt: `What is the capital of ${land}?`, completion: facts[i]!, city };
});
writeFileSync(at('rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));

const size = { context: 64, steps: 60, batchSize: 8 };
const data = { data: at('text.jsonl'), vocabSize: 300 };
const base = await pretrain({ ...size, ...data, model: 'tiny', out: at('base'), lr: 3e-3 });
console.log(`pretraining: ${base.tokens} tokens, loss ${base.loss.toFixed(2)}`);
const tuning = { ...size, steps: 120, data: at('rows.jsonl'), validationSplit: 0, lr: 5e-3 };
const tuned = await sft({ ...tuning, model: base.out, out: at('assistant') });
console.log(`fine-tuning: loss ${tuned.loss.toFixed(2)}`);

const tokenizer = Tokenizer.load(tuned.out);
const options = { maxTokens: 24, temperature: 0 };
const chat = new Conversation(loadModel(tuned.out), tokenizer, ChatTemplate.of(tokenizer), options);
console.log((await chat.answer('What is the capital of Peru?')).text);
