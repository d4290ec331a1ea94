/**
 * A text as the value of a query or form, as Go's `url.QueryEscape` writes it: some servers compare the text. A space is a plus, and of ASCII
 * only letters, digits and `-_.~` stand for themselves.
 *
 * @internal
 */
export const queryEscape = (text: string): string =>
  new URLSearchParams([["", text]]).toString().slice(1).replaceAll("*", "%2A").replaceAll("%7E", "~")
