// What the first API can answer beside the errors of every registry. `V1Session` exports them; the texts are those of balena-engine.
import * as Schema from "effect/Schema"

/** The registry has the image already: it was pushed before, and nothing is wrong. @since 0.1.0 */
export class ImageAlreadyExists extends Schema.TaggedError<ImageAlreadyExists>("effect-oci/ImageAlreadyExists")("ImageAlreadyExists", {
  registry: Schema.String,
  image: Schema.String
}) {
  override get message(): string {
    return "Image already exists"
  }
}

/** The registry has no such image: 404. @since 0.1.0 */
export class ImageNotFound extends Schema.TaggedError<ImageNotFound>("effect-oci/ImageNotFound")("ImageNotFound", {
  registry: Schema.String,
  image: Schema.String
}) {
  override get message(): string {
    return `HTTP code 404: no image ${this.image} at ${this.registry}`
  }
}

/** The registry has no such repository, or the repository no such tag: 404. @since 0.1.0 */
export class RepositoryNotFound extends Schema.TaggedError<RepositoryNotFound>("effect-oci/RepositoryNotFound")("RepositoryNotFound", {
  registry: Schema.String,
  repository: Schema.String
}) {
  override get message(): string {
    return "Repository not found"
  }
}

/** None of the registries gave a usable answer; `statuses` are what they answered. @since 0.1.0 */
export class NoRegistryAnswered extends Schema.TaggedError<NoRegistryAnswered>("effect-oci/NoRegistryAnswered")("NoRegistryAnswered", {
  registries: Schema.Array(Schema.String),
  repository: Schema.String,
  statuses: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    return "Could not reach any registry endpoint"
  }
}

/** The index took the images and did not say where their layers go. @since 0.1.0 */
export class NoRegistryNamed extends Schema.TaggedError<NoRegistryNamed>("effect-oci/NoRegistryNamed")("NoRegistryNamed", {
  registry: Schema.String,
  repository: Schema.String
}) {
  override get message(): string {
    return "Index response didn't contain any endpoints"
  }
}

/** More results were asked for than there may be, or none; nothing was sent. @since 0.1.0 */
export class InvalidSearchLimit extends Schema.TaggedError<InvalidSearchLimit>("effect-oci/InvalidSearchLimit")("InvalidSearchLimit", {
  limit: Schema.Number
}) {
  override get message(): string {
    return `Limit ${this.limit} is outside the range of [1, 100]`
  }
}

const loginText = (endpoint: string, status: number, said: string): string => {
  switch (status) {
    case 401:
      return "Wrong login/password, please try again"
    case 403:
      return `Login: Account is not active. Please see the documentation of the registry ${endpoint} for instructions how to activate it.`
    case 500:
      return "Internal Server Error"
    default:
      return `Login: ${said} (Code: ${status})`
  }
}

/**
 * The registry does not let the user in: 401 for a wrong password, 403 for an account that is not active, or something else. `said` is the
 * start of its answer. The headers of the answer, which Go's text holds, are left out: cookies and tokens are among them.
 *
 * @since 0.1.0
 */
export class LoginRefused extends Schema.TaggedError<LoginRefused>("effect-oci/LoginRefused")("LoginRefused", {
  endpoint: Schema.String,
  status: Schema.Int,
  said: Schema.String
}) {
  override get message(): string {
    return loginText(this.endpoint, this.status, this.said)
  }
}
