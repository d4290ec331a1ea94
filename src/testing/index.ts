export * as RegistryOptions from "./RegistryOptions.ts"
export * as RegistryStorage from "./RegistryStorage.ts"
