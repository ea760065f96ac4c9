#!/usr/bin/env bash
# @photostructure/sqlite 1.2.1, which gives Node 20 the interface of node:sqlite, cuts a bound text at
# its first zero character, and stores what is before it: two texts that differ only behind the zero are
# one. A blob of the same bytes is stored whole. A prepared statement keeps the file of the database
# open after close(): its log stays beside it, and with it all that was written.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > init.json
npm install --silent --no-audit --no-fund @photostructure/sqlite@1.2.1
cat > show.mjs <<'JS'
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from '@photostructure/sqlite';

const database = new DatabaseSync('words.db');
database.exec('PRAGMA journal_mode = WAL');
database.exec('CREATE TABLE words (word TEXT UNIQUE)');
const insert = database.prepare('INSERT OR IGNORE INTO words VALUES (?)');
const changes = ['blue\0sky', 'blue\0sea'].map((word) => insert.run(word).changes);
const bytes = database.prepare('SELECT length(?) AS bytes').get(Buffer.from('blue\0sky')).bytes;
const words = database.prepare('SELECT word FROM words').all().map(({ word }) => word);
database.close();
const seen = {
  rows_of_two_words: words,
  changes,
  bytes_of_the_blob: bytes,
  log_after_close: existsSync('words.db-wal') && statSync('words.db-wal').size > 0,
};
console.log(JSON.stringify(seen));
const expected = { rows_of_two_words: ['blue'], changes: [1, 0], bytes_of_the_blob: 8, log_after_close: true };
process.exitCode = JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1;
JS
node show.mjs
