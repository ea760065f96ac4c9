/** The program of a thread that reads and filters units, one after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { fileError } from '../../base/errors.ts';
import { FilterChain } from '../filters/filter-documents.ts';
import { filterUnit } from './filter-unit.ts';
import { PartialFolder } from './partial-folder.ts';
import type { FromUnitThread, UnitJob, UnitThreadSettings } from './unit-messages.ts';

/** Text between two reports. */
const REPORT_BYTES = 1 << 20;

const { out, reading, filters } = workerData as UnitThreadSettings;
const folder = new PartialFolder(out);
const chain = await FilterChain.create(filters);
const tell = (message: FromUnitThread) => parentPort!.postMessage(message);

let [documents, bytes] = [0, 0];
function report(least: number): undefined {
  if (documents === 0 || bytes < least) return;
  tell({ type: 'read', documents, bytes });
  [documents, bytes] = [0, 0];
}

async function work({ index, unit }: UnitJob): Promise<void> {
  try {
    const summary = await filterUnit(folder, index, unit, reading, chain, (read) => {
      documents += 1;
      bytes += read;
      return report(REPORT_BYTES);
    });
    report(0);
    tell({ type: 'done', index, summary });
  } catch (error) {
    const { code, message, remedy } = fileError(error, unit.parts[0]?.file ?? out);
    tell({ type: 'failed', index, error: { code, message, remedy } });
  }
}

parentPort!.on('message', (job: UnitJob) => void work(job));
tell({ type: 'ready' });
