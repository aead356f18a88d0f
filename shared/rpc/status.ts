/**
 * The one place where our errors become gRPC statuses and back. Field violations travel as google.rpc.BadRequest
 * inside google.rpc.Status (trailer `grpc-status-details-bin`), which grpcurl and buf print by themselves; the hint
 * travels as google.rpc.Help, the stable code as google.rpc.ErrorInfo.
 */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, Help } from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import { type ErrorCode, errorText, type FieldViolation, SaiError } from "../runtime/errors.js";

const TO_GRPC: Record<ErrorCode, status> = {
  invalid_argument: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  failed_precondition: status.FAILED_PRECONDITION,
  out_of_range: status.OUT_OF_RANGE,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  config: status.FAILED_PRECONDITION,
  internal: status.INTERNAL,
};

const FROM_GRPC = new Map<status, ErrorCode>(
  Object.entries(TO_GRPC)
    .reverse()
    .map(([code, grpc]) => [grpc, code as ErrorCode]),
);

const TYPE = "type.googleapis.com/google.rpc.";
const DETAILS = "grpc-status-details-bin";

/** What a handler passes to its callback. Anything that is not a SaiError becomes INTERNAL without its stack. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const known =
    error instanceof SaiError ? error : new SaiError("internal", "internal error; the log has the cause");
  const code = TO_GRPC[known.code];
  const metadata = new Metadata();
  const details = [
    {
      typeUrl: `${TYPE}ErrorInfo`,
      value: bytes(ErrorInfo, { reason: known.code.toUpperCase(), domain: "sai" }),
    },
  ];
  if (known.violations.length > 0) {
    details.push({
      typeUrl: `${TYPE}BadRequest`,
      value: bytes(BadRequest, { fieldViolations: known.violations }),
    });
  }
  if (known.hint !== undefined) {
    details.push({
      typeUrl: `${TYPE}Help`,
      value: bytes(Help, { links: [{ description: known.hint, url: "" }] }),
    });
  }
  const message = known.message;
  metadata.set(DETAILS, bytes(Status, { code, message, details }));
  return { code, details: message, metadata };
}

/** What a client shows of a failed call. `where` names the call and the address. */
export function fromServiceError(error: unknown, where: string): SaiError {
  if (!isServiceError(error))
    return new SaiError("internal", `${where}: ${errorText(error)}`, { cause: error });
  let hint: string | undefined;
  let violations: FieldViolation[] = [];
  const raw = error.metadata?.get(DETAILS)[0];
  if (raw instanceof Uint8Array) {
    for (const detail of Status.decode(raw).details) {
      if (detail.typeUrl === `${TYPE}BadRequest`) {
        violations = BadRequest.decode(detail.value).fieldViolations.map(({ field, description }) => ({
          field,
          description,
        }));
      } else if (detail.typeUrl === `${TYPE}Help`) hint = Help.decode(detail.value).links[0]?.description;
    }
  }
  const code = FROM_GRPC.get(error.code) ?? "internal";
  const more = hint === undefined ? { violations } : { violations, hint };
  return new SaiError(code, error.details || `${where}: ${status[error.code]}`, more);
}

/** True for the errors grpc-js rejects calls with. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && typeof error.code === "number";
}

function bytes<T, M>(
  type: { fromPartial(part: T): M; encode(message: M): { finish(): Uint8Array } },
  part: T,
): Buffer {
  return Buffer.from(type.encode(type.fromPartial(part)).finish());
}
