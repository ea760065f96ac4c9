/** The tables of a feedback store, by version. */

/** `Athn` in ASCII: `PRAGMA application_id` of a store. */
export const APPLICATION_ID = 0x4174686e;

/**
 * Statements that bring a store from version i to version i + 1. A version that was released stays
 * as it is: a change is a new entry.
 *
 * `row` is the order of arrival. Words of people and of models are JSON strings (rows.ts). Token
 * ids are i32 and log-probabilities f32, little-endian. Safety events name their answer by its id,
 * because they may come before the answer is complete.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE answers (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    choice INTEGER NOT NULL,
    client TEXT,
    user TEXT,
    created_at INTEGER NOT NULL,
    messages TEXT,
    prompt_ids BLOB NOT NULL,
    answer_ids BLOB NOT NULL,
    log_probs BLOB NOT NULL,
    text TEXT NOT NULL,
    finish TEXT NOT NULL,
    sampling TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    tokenizer_hash TEXT NOT NULL,
    UNIQUE (id, choice)
  ) STRICT;
  CREATE INDEX answers_by_user ON answers (user) WHERE user IS NOT NULL;
  CREATE INDEX answers_by_time ON answers (created_at);

  CREATE TABLE feedback (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    answer INTEGER NOT NULL REFERENCES answers (row) ON DELETE CASCADE,
    client TEXT,
    user TEXT,
    idempotency_key TEXT,
    created_at INTEGER NOT NULL,
    rating INTEGER,
    reason TEXT,
    tags TEXT NOT NULL,
    correction TEXT
  ) STRICT;
  CREATE INDEX feedback_by_answer ON feedback (answer);
  CREATE INDEX feedback_by_user ON feedback (user) WHERE user IS NOT NULL;
  CREATE UNIQUE INDEX feedback_keys ON feedback (idempotency_key, ifnull(client, ''), ifnull(user, ''))
    WHERE idempotency_key IS NOT NULL;

  CREATE TABLE comparisons (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL REFERENCES answers (row) ON DELETE CASCADE,
    second INTEGER NOT NULL REFERENCES answers (row) ON DELETE CASCADE,
    client TEXT,
    user TEXT,
    idempotency_key TEXT,
    created_at INTEGER NOT NULL,
    preferred TEXT NOT NULL,
    reason TEXT
  ) STRICT;
  CREATE INDEX comparisons_by_first ON comparisons (first);
  CREATE INDEX comparisons_by_second ON comparisons (second);
  CREATE INDEX comparisons_by_user ON comparisons (user) WHERE user IS NOT NULL;
  CREATE UNIQUE INDEX comparison_keys
    ON comparisons (idempotency_key, ifnull(client, ''), ifnull(user, ''))
    WHERE idempotency_key IS NOT NULL;

  CREATE TABLE safety_events (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    answer_id TEXT,
    choice INTEGER,
    client TEXT,
    user TEXT,
    created_at INTEGER NOT NULL,
    prompt_harmful INTEGER,
    response_refused INTEGER,
    response_harmful INTEGER,
    checks TEXT NOT NULL,
    messages TEXT,
    model_hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX safety_events_by_answer ON safety_events (answer_id, choice) WHERE answer_id IS NOT NULL;
  CREATE INDEX safety_events_by_user ON safety_events (user) WHERE user IS NOT NULL;

  -- Records of these users up to this time never come back. The name itself is gone: user_hash is
  -- its SHA-256 as a JSON string.
  CREATE TABLE deleted_users (
    user_hash TEXT PRIMARY KEY,
    deleted_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];
