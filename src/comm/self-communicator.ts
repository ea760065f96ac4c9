/** A run of one process: a sum over the ranks is the rank's own value. */
import { native } from '../native/addon.ts';
import { outsideScopes, type Tensor } from '../tensor/tensor.ts';
import type { Communicator, Work } from './communicator.ts';
import { checkExchange, checkParts, checkPieces, checkRoot, checkSummed } from './operands.ts';

/** The communicator of a single rank. It holds nothing, so close() may be left out. */
export const selfCommunicator: Communicator = {
  rank: 0,
  size: 1,
  allReduce(tensor) {
    checkSummed('allReduce', tensor);
    return done;
  },
  reduceScatter(input, output) {
    checkSummed('reduceScatter', input);
    return copy('reduceScatter', input, output);
  },
  allGather: (input, output) => copy('allGather', input, output),
  allToAll(input, output) {
    checkExchange('allToAll', input, output, 1);
    return done;
  },
  broadcast(_tensor, root) {
    checkRoot('broadcast', root, 1);
    return done;
  },
  broadcastEach(pieces) {
    checkPieces('broadcastEach', pieces, 1);
    return done;
  },
  sum: async (values) => [...values],
  gather: async (values) => [[...values]],
  gatherText: async (text) => [text],
  barrier: async () => {},
  close: async () => {},
};

const done: Work = { wait: async () => {}, block: () => {} };

function copy(operation: string, input: Tensor, output: Tensor): Work {
  checkParts(operation, { whole: output, part: input, size: 1 });
  const source = outsideScopes(() => native.view(input.handle, output.shape));
  native.copyInto(output.handle, source);
  source.dispose();
  return done;
}
