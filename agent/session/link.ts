/** The stream to a coordinator, as the session sees it. The real one is gRPC; a simulation passes its own. */
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";

export interface Link {
  /**
   * Hands a message over, behind those before it. `wait`: it was taken, and nothing more should follow until `drained`.
   * `ended`: the stream has ended, it will not be sent.
   */
  send(message: AgentMessage): "sent" | "wait" | "ended";
  /** Resolves when more may follow after `wait`, or the stream has ended. Never rejects. */
  drained(): Promise<void>;
  /** What arrives, in order; ends when the coordinator ends the stream, throws SaiError when it breaks. */
  readonly messages: AsyncIterable<CoordinatorMessage>;
  /** Ends our side; what was sent is delivered first if the peer reads within `graceMs`. Ends `messages`, too. */
  close(graceMs: number): Promise<void>;
}

/** Throws SaiError unavailable when it is refused, or nobody answers within `withinMs`; or the signal's reason. */
export type Dial = (address: string, signal: AbortSignal, withinMs: number) => Promise<Link>;
