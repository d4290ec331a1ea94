/** Host and port as they stand in a URL. @internal */
export const authorityOf = (url: string): string => /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? ""
