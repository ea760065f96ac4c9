/** Set-up of vitest.cuda.config.ts: a test file's tensors are made on the GPU. */
import { native } from '../../src/native/addon.ts';

native.setDevice('cuda');
