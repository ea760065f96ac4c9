export function randomNumbers(seed: number): () => number;
