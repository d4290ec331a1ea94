/** An error told by its code, as those of Node and undici are. @internal */
export const make = (code: string, message: string): Error => Object.assign(new Error(message), { code })
