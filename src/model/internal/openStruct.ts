import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/**
 * A member that may be absent. Go writes empty lists and maps as `null`, so `null` counts as absent.
 *
 * @internal
 */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true, nullable: true })

const preserve = (ast: AST.AST): AST.AST => AST.annotations(ast, { [AST.ParseOptionsAnnotationId]: { onExcessProperty: "preserve" } })

/**
 * Keeps members the schema does not name (image-spec «Extensibility»: unknown fields are never an error). Both sides are marked, since a
 * schema around this one checks the decoded value once more.
 *
 * @internal
 */
export const open = <A, I>(schema: Schema.Schema<A, I>): Schema.Schema<A, I> =>
  Schema.make(
    AST.isTransformation(schema.ast)
      ? new AST.Transformation(preserve(schema.ast.from), preserve(schema.ast.to), schema.ast.transformation, schema.ast.annotations)
      : preserve(schema.ast)
  )

/** String to string, as annotations and labels are. @internal */
export const StringMap = Schema.Record({ key: Schema.String, value: Schema.String })
