/**
 * That of `package.json`, which a test compares; read from there it would cost every start of the command.
 *
 * @internal
 */
export const version = "0.1.0"
