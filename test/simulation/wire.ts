/**
 * How messages travel. In one schedule of eight they are encoded and decoded, as on a real wire, so that the codecs meet
 * everything that happens here. In the others they are handed over as they are, which saves a sixth of what a schedule
 * costs. That is the same as long as nobody changes a message that was sent: in one schedule of sixteen whoever tries
 * throws.
 */
import { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";

/** A message under way. */
export interface Parcel<M> {
  /** About what it takes on the wire. */
  readonly size: number;
  /** Only of what is encoded. */
  readonly bytes: Uint8Array | undefined;
  open(): M;
}

interface Kind<M> {
  encode(message: M): { finish(): Uint8Array };
  decode(bytes: Uint8Array): M;
}

/** Puts a message of one kind into its parcel. */
export type Pack<M> = (message: M) => Parcel<M>;

const encoded =
  <M>(kind: Kind<M>): Pack<M> =>
  (message) => {
    const bytes = kind.encode(message).finish();
    return { size: bytes.length, bytes, open: () => kind.decode(bytes) };
  };

const handed =
  (freezes: boolean) =>
  <M>(message: M): Parcel<M> => {
    if (freezes) freeze(message);
    return { size: USUAL_SIZE, bytes: undefined, open: () => message };
  };

/** A message's usual size, bytes. */
const USUAL_SIZE = 96;

/** How both directions pack. */
export interface Wire {
  up: Pack<AgentMessage>;
  down: Pack<CoordinatorMessage>;
}

const ENCODED: Wire = { up: encoded(AgentMessage), down: encoded(CoordinatorMessage) };
const FROZEN: Wire = { up: handed(true), down: handed(true) };
const HANDED: Wire = { up: handed(false), down: handed(false) };

/** The wire of a schedule. */
export function wireOf(seed: number): Wire {
  if (seed % 8 === 0) return ENCODED;
  return seed % 16 === 1 ? FROZEN : HANDED;
}

/** At every depth, but for bytes, which cannot be frozen. */
function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const one of Object.values(value)) freeze(one);
  Object.freeze(value);
}

/** A message for people. */
export const said = (message: unknown): string => JSON.stringify(message, plain);

/** For JSON.stringify: what protobuf has and JSON lacks. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value;
}
