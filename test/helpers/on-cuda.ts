/** Set-up of vitest.cuda.config.ts: the tensors of a test file are made on the GPU. */
import { native } from '../../src/native/addon.ts';

native.setDevice('cuda');
