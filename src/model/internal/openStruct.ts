import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/**
 * A member that may be absent. Go writes empty lists and maps as `null`, so `null` counts as absent.
 *
 * @internal
 */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true, nullable: true })

const annotate = (ast: AST.AST, identifier: string): AST.AST =>
  AST.annotations(ast, { [AST.ParseOptionsAnnotationId]: { onExcessProperty: "preserve" }, [AST.IdentifierAnnotationId]: identifier })

/**
 * Names a struct and keeps members it does not list (image-spec «Extensibility»: unknown fields are never an error). Both sides are
 * marked, since a schema around this one checks the decoded value once more.
 *
 * @internal
 */
export const open = <A, I>(identifier: string, schema: Schema.Schema<A, I>): Schema.Schema<A, I> =>
  Schema.make(
    AST.isTransformation(schema.ast)
      ? new AST.Transformation(
          annotate(schema.ast.from, `${identifier}Encoded`),
          annotate(schema.ast.to, identifier),
          schema.ast.transformation,
          schema.ast.annotations
        )
      : annotate(schema.ast, identifier)
  )

/** String to string, as annotations and labels are. @internal */
export const StringMap = Schema.Record({ key: Schema.String, value: Schema.String })
