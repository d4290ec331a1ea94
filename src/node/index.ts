export * as Dispatcher from "./Dispatcher.ts"
export * as UndiciClient from "./UndiciClient.ts"
