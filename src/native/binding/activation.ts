import type { NativeTensor } from '../binding.ts';

export interface ActivationBinding {
  geluForward(x: NativeTensor): NativeTensor;
  geluBackward(dy: NativeTensor, x: NativeTensor): NativeTensor;
  /** `[.., 2 f]`, the gate first -> `[.., f]`: silu(gate) * up. */
  /** x times the normal distribution's cumulative function. */
  geluErfForward(x: NativeTensor): NativeTensor;
  geluErfBackward(dy: NativeTensor, x: NativeTensor): NativeTensor;
  swigluForward(gateUp: NativeTensor): NativeTensor;
  swigluBackward(dy: NativeTensor, gateUp: NativeTensor): NativeTensor;
  /** As swiglu, with the tanh form of GELU in silu's place. */
  gegluForward(gateUp: NativeTensor): NativeTensor;
  gegluBackward(dy: NativeTensor, gateUp: NativeTensor): NativeTensor;
  reluForward(x: NativeTensor): NativeTensor;
  /** The backward passes of relu, tanh and sigmoid take the result y, not the input. */
  reluBackward(dy: NativeTensor, y: NativeTensor): NativeTensor;
  tanhForward(x: NativeTensor): NativeTensor;
  tanhBackward(dy: NativeTensor, y: NativeTensor): NativeTensor;
  sigmoidForward(x: NativeTensor): NativeTensor;
  sigmoidBackward(dy: NativeTensor, y: NativeTensor): NativeTensor;
}
