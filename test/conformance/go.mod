// The official conformance suite of the distribution spec as it was before April 2026, for OldSuite.ts.
module effect-oci.test/conformance

go 1.21

require github.com/opencontainers/distribution-spec/conformance v0.0.0-20230516164017-7fcdf80f3c8b
