/**
 * Something we must say no to, and can say why: what the client sent, or an answer of the function that is none.
 * Its message is shown to the client, unlike that of an error which the function threw.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly status: number;
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.status = STATUS[reason];
  }
}

/** The same words as the platform's failures. */
const STATUS = {
  bad_request: 400,
  client_disconnect: 499,
  body_too_large: 413,
  unsupported_media_type: 415,
  function_error: 500,
} as const;

export type Reason = keyof typeof STATUS;
