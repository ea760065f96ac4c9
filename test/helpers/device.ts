/**
 * Which device a test file runs on, for tests that hold on some only: it.skipIf(onCuda).
 * vitest.cuda.config.ts sets it up.
 */
import { native } from '../../src/native/addon.ts';

export const onCuda = native.device() === 'cuda';

/** CUDA on the emulator, which takes seconds for the milliseconds of a GPU. */
export const onEmulator = onCuda && process.env.ATHANOR_TEST_EMULATED === '1';
