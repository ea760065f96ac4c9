// Takes the lock of a folder, says so, and keeps it until it is killed.
//   locking-child.mjs hold FOLDER
// Appends lines "begin PID", "end PID" under the lock, as often as it gets it.
//   locking-child.mjs contend FOLDER TIMES
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FolderLock } from '../../dist/native/folder-lock.js';

const [what, folder, times] = process.argv.slice(2);

if (what === 'hold') {
  FolderLock.take(folder);
  process.stdout.write('locked\n');
  setInterval(() => {}, 1000);
} else {
  for (let taken = 0; taken < Number(times); ) {
    await wait(Math.random() * 4);
    let lock;
    try {
      lock = FolderLock.take(folder);
    } catch (error) {
      if (error.code !== 'ERR_STATE') throw error;
      continue;
    }
    const log = join(folder, 'log');
    appendFileSync(log, `begin ${process.pid}\n`);
    await wait(2);
    appendFileSync(log, `end ${process.pid}\n`);
    lock.release();
    taken += 1;
  }
}
