/**
 * A stage of one's own: anything with parameters, batches and a loss trains with the same loop,
 * checkpoints, metrics and resuming as the stages of this package. Here it is a model that tells
 * which quarter of the plane a point lies in.
 * Run it with: npm run example custom-stage
 */
import {
  Initializer,
  Linear,
  linearCrossEntropy,
  Module,
  relu,
  type Tensor,
  Trainer,
  type TrainStage,
  tensor,
} from 'athanor';

class Quarters extends Module {
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(seed: number) {
    super();
    const init = new Initializer(seed);
    this.hidden = new Linear(2, 16, init, { bias: true, std: 0.7 });
    this.output = new Linear(16, 4, init);
  }

  /** f32 `[1]`. @param points `[n, 2]` @param quarters i32 `[n]` */
  loss(points: Tensor, quarters: Tensor, scale: number): Tensor {
    return linearCrossEntropy(relu(this.hidden.forward(points)), this.output.weight, quarters, { scale })
      .loss;
  }
}

type Points = { points: number[]; quarters: number[] };

class QuartersStage implements TrainStage<Points> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  #batch = 0;

  constructor(readonly model: Quarters) {
    this.parameters = model.parameters();
  }

  nextBatch(): Points {
    this.#batch += 1;
    // Fractions of multiples of an irrational number lie evenly in [0, 1).
    const points = Array.from({ length: 2 * 64 }, (_, i) => {
      const multiple = (this.#batch * 128 + i) * (i % 2 === 0 ? Math.SQRT2 : Math.E);
      return 2 * (multiple % 1) - 1;
    });
    const quarters = Array.from({ length: 64 }, (_, i) => {
      return (points[2 * i]! > 0 ? 1 : 0) + (points[2 * i + 1]! > 0 ? 2 : 0);
    });
    return { points, quarters };
  }

  /**
   * The loss of a batch is a sum over its points, and `scale` is 1 over the points of an update.
   */
  lossTokens({ quarters }: Points): number {
    return quarters.length;
  }

  loss({ points, quarters }: Points, scale: number): Tensor {
    const targets = tensor(Int32Array.from(quarters));
    return this.model.loss(tensor(points, [quarters.length, 2]), targets, scale);
  }
}

const stage = new QuartersStage(new Quarters(1));
// With `out: 'folder'` the same run writes checkpoints and metrics there, and
// trainer.resume() continues it.
const trainer = new Trainer(stage, {
  steps: 300,
  lr: 2e-2,
  warmupSteps: 10,
  onEvent: (event) => {
    if (event.type !== 'step' || event.step % 100 > 0) return;
    console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`);
  },
});
const { loss, step } = await trainer.run();
console.log(`loss ${loss.toFixed(3)} after ${step} steps`);
