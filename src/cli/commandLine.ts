/**
 * Puts a command line into the order the parser of `@effect/cli` wants: it reads options before arguments, `--name value` rather than
 * `--name=value`, and repeated options side by side. Options a command does not have would pass for arguments there; here they are refused.
 */
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as Usage from "@effect/cli/Usage"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as UsageError from "./usageError.ts"

interface Known {
  /** The name an option is known by, whichever of its spellings was used. */
  readonly name: string
  readonly takesValue: boolean
}

type Options = ReadonlyArray<readonly [spelling: string, option: Known]>

const optionsOf = (usage: Usage.Usage): Options => {
  switch (usage._tag) {
    case "Named": {
      const known: Known = { name: usage.names.at(-1) ?? "", takesValue: Option.isSome(usage.acceptedValues) }
      return usage.names.filter((name) => name.startsWith("-")).map((name) => [name, known])
    }
    case "Optional":
    case "Repeated":
      return optionsOf(usage.usage)
    case "Alternation":
    case "Concat":
      return [...optionsOf(usage.left), ...optionsOf(usage.right)]
    case "Empty":
    case "Mixed":
      return []
  }
}

const builtIn: Options = [
  ["-h", { name: "--help", takesValue: false }],
  ["-v", { name: "--version", takesValue: false }],
  ...["--help", "--version", "--wizard"].map((name) => [name, { name, takesValue: false }] as const),
  ...["--completions", "--log-level"].map((name) => [name, { name, takesValue: true }] as const)
]

interface Sorted {
  readonly options: ReadonlyMap<string, ReadonlyArray<string>>
  readonly operands: ReadonlyArray<string>
}

const isOption = (word: string) => word.startsWith("-") && word !== "-"

const sort = (known: ReadonlyMap<string, Known>, words: ReadonlyArray<string>, command: string): Either.Either<Sorted, string> => {
  const options = new Map<string, ReadonlyArray<string>>()
  const operands: Array<string> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ""
    if (word === "--") return Either.right({ options, operands: [...operands, ...words.slice(index + 1)] })
    if (!isOption(word)) {
      operands.push(word)
      continue
    }
    const [spelling = "", attached] = /^(--[^=]+)=(.*)$/s.exec(word)?.slice(1) ?? [word]
    const option = known.get(spelling)
    if (option === undefined) return Either.left(`there is no option ${spelling}; see ${command} --help`)
    if (!option.takesValue && attached !== undefined) return Either.left(`${spelling} takes no value`)
    const value = option.takesValue ? (attached ?? words[++index]) : undefined
    if (option.takesValue && value === undefined) return Either.left(`${spelling} needs a value; see ${command} --help`)
    options.set(option.name, [...(options.get(option.name) ?? []), option.name, ...(value === undefined ? [] : [value])])
  }
  return Either.right({ options, operands })
}

/** The arguments, without those of the program itself. */
export const arrange = <Name extends string, R, E, A>(
  root: Command.Command<Name, R, E, A>,
  args: ReadonlyArray<string>
): Either.Either<ReadonlyArray<string>, ValidationError.ValidationError> => {
  const [name = ""] = args
  const command = HashMap.get(Command.getSubcommands(root), name)
  const own = Option.match(command, { onNone: () => [], onSome: (_) => optionsOf(CommandDescriptor.getUsage(_)) })
  const path = Option.isSome(command) ? [name] : []
  if (Option.isNone(command) && !isOption(name)) {
    return Either.left(UsageError.make(`there is no command ${name}; see effect-oci --help`))
  }
  return Either.mapBoth(sort(new Map([...builtIn, ...own]), args.slice(path.length), ["effect-oci", ...path].join(" ")), {
    onLeft: UsageError.make,
    onRight: ({ operands, options }) => [
      ...path,
      ...[...options.values()].flat(),
      // What an operand begins with no longer matters.
      ...(operands.some(isOption) ? ["--", ...operands] : operands)
    ]
  })
}
