export * as Dispatcher from "./Dispatcher.ts"
export * as FetchRegistry from "./FetchRegistry.ts"
export * as NodeRegistry from "./NodeRegistry.ts"
export * as UndiciClient from "./UndiciClient.ts"
