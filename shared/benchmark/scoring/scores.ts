/** Per-sample values by name; what the aggregates are made of. A name is absent where it cannot apply. */
export type Scores = { [name: string]: number };
