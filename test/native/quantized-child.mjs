// Prints the product of a weight in int8 under each instruction set, as { isa: base64 of its f32 }.
import { native } from '../../dist/native/addon.js';

const filled = (shape, stream) => {
  const out = native.empty(shape, 'f32');
  native.normalInto(out, 0, 1, 7, stream);
  return out;
};
const [x, weight] = [filled([9, 131], 1), filled([70, 131], 2)];
const products = {};
for (const isa of native.supportedIsas()) {
  native.setIsa(isa);
  const quantized = native.quantizeWeight(weight);
  const inputs = { x, weight: quantized, outputs: 70, activation: 'none', dtype: 'f32' };
  products[isa] = Buffer.from(native.read(native.quantizedLinear(inputs)).buffer).toString('base64');
}
process.stdout.write(JSON.stringify(products));
