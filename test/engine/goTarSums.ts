/**
 * What moby's `pkg/tarsum` (v25.0.6, with the choice of extended attributes of v18.9) on Go 1.26 computes of the samples: version 0 without any JSON,
 * version 1 with `{}`. Where it fails, so do we.
 */
export const goSums: Readonly<Record<string, readonly [v0: string, v1: string]>> = {
  "no byte at all": [
    "tarsum+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "tarsum.v1+sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
  ],
  "one block of zeros": [
    "tarsum+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "tarsum.v1+sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
  ],
  "without an end": [
    "tarsum+sha256:cf336f5716764c12be5691cc5531c5c38bd2d56eef942199a754376d4464690e",
    "tarsum.v1+sha256:3d2d45a7d5af30063b54751987d2e3b79af55c92e8e6ec7bcd79473446a43f30"
  ],
  "not filled up": [
    "tarsum+sha256:cf336f5716764c12be5691cc5531c5c38bd2d56eef942199a754376d4464690e",
    "tarsum.v1+sha256:3d2d45a7d5af30063b54751987d2e3b79af55c92e8e6ec7bcd79473446a43f30"
  ],
  "something behind the end": [
    "tarsum+sha256:cf336f5716764c12be5691cc5531c5c38bd2d56eef942199a754376d4464690e",
    "tarsum.v1+sha256:3d2d45a7d5af30063b54751987d2e3b79af55c92e8e6ec7bcd79473446a43f30"
  ],
  "hard link": [
    "tarsum+sha256:9dd1041d21662e0a0e12d2de095857dca457ec0606930eb15708c8fbafb612e3",
    "tarsum.v1+sha256:1a08e6694e71bddcd21109e4cdddf73f8dbcc8665dfc58bf81e89e208d8d1983"
  ],
  "hard link with a size": [
    "tarsum+sha256:fe696da6d9310ca7a739c0348f87571b781aef3ba13726c53408572acd3972b7",
    "tarsum.v1+sha256:2cd16cf4492e5711cf948e90670b9a30df431daf881bb8ce15faa169988a5589"
  ],
  "symbolic link to a folder": [
    "tarsum+sha256:48c72cbbb0e543e7997cb003631cf8b9f33004add5b7ddc0176fca90045cb858",
    "tarsum.v1+sha256:86276b4c44469aa503c3adcc71ed983e020f621396e51c442772c6d6bb06921b"
  ],
  devices: [
    "tarsum+sha256:c5d60934ff550521829ad14a7f08ef327c520dbf9ff2bd8984c48debf2e5efcd",
    "tarsum.v1+sha256:bd3f8a0e293d6e2359a6aa65122d426455a4417c073d0efce2d7e33183add95a"
  ],
  "a folder": [
    "tarsum+sha256:8fc71f48aa89dcf79c599caac99f205421092597fd6cd00982692ebf6bc94aa9",
    "tarsum.v1+sha256:91930e5f9c807c4fb6e3de1af7421424d89a0c89a28b3d4a14152c202fcc2e79"
  ],
  "the root in four ways": [
    "tarsum+sha256:4c1cd964d7cc2f18604a2e6473ff619cac94290d2419fe7c51f819f3afdf7960",
    "tarsum.v1+sha256:30239dbb619baa75cad4ecb1280ae896f710400193551dbb752f2afe9dc4ead9"
  ],
  "odd modes": [
    "tarsum+sha256:5056e0ebcac4b46399d6c2334061a6d00f0a9b776b20ff9d0c6eb569828d4c85",
    "tarsum.v1+sha256:d54a9576aba92c81d106ed4993da973ae88541bafdf831d1a5edc7e93472c66e"
  ],
  "numbers to the base 256": [
    "tarsum+sha256:a8684f7f1f3846fecb04cb881b737aac18d7db43d60ce732679b9fcc4fed130e",
    "tarsum.v1+sha256:6f8b9061182641743e594816c90d94f13a175846228178fafb95256ce7ee0a7f"
  ],
  "without magic": [
    "tarsum+sha256:d3d7dd0dd23a2836756f1c75ba9731f955b43aedbe251ca6d2c6b8ab033f0fb5",
    "tarsum.v1+sha256:b582c3526bf67f378c9758cb67ee2a85ad573f3f3d30a6713fe3b4014621771e"
  ],
  "star, with its shorter prefix": [
    "tarsum+sha256:f56d46a56425464e6289dee571414755fa4df23058832788640f02e6c05fc779",
    "tarsum.v1+sha256:bcf5d9d6b46771eeaecafc619f77c4c8e587bbf14b1dbfa6812f4c24556312e4"
  ],
  "a prefix": [
    "tarsum+sha256:f8979a0733916ddc3823c66d5536227f35bfe94238d1d1a5f7322be7d8e8d203",
    "tarsum.v1+sha256:7c06eed7eb3bfeaa8aef78bbda5cd5a532e1c3c73b9233ffa0606ba1d93503ac"
  ],
  "times where GNU keeps them": [
    "tarsum+sha256:aa26a69ed5fd9260bb166164718c5bb9705cfe8b37f501447f1e80905259bc27",
    "tarsum.v1+sha256:3489e9d9593b94b082ebcbb0a44c560300521c6b2ba6b0c17eb1531843d0c397"
  ],
  "a prefix where GNU has none": [
    "tarsum+sha256:f8979a0733916ddc3823c66d5536227f35bfe94238d1d1a5f7322be7d8e8d203",
    "tarsum.v1+sha256:7c06eed7eb3bfeaa8aef78bbda5cd5a532e1c3c73b9233ffa0606ba1d93503ac"
  ],
  "type 7": [
    "tarsum+sha256:159f55e5d20a643690dbf40db060c11bd309de5dc808632e55a9405d3d15f1f4",
    "tarsum.v1+sha256:bc497e6b90d9436c364c8ec0b8cd72d4409d7d76a373c4fb3127eb8aae9aea8c"
  ],
  "a type nobody knows": [
    "tarsum+sha256:64d9ddd5292e8ef9ed60907fbe964daa41c50233b0694764d05a0460505c5b71",
    "tarsum.v1+sha256:51df0d49f141bbc37a05e6df78937cda533fbc6abc72889c46766c65e79b9c1c"
  ],
  "bytes that are no UTF-8": [
    "tarsum+sha256:a0ab943777f6cb6b2207028a227bc03ba37f4b4ba7bb9e44337cc1e1e2f62a6d",
    "tarsum.v1+sha256:6ff6c2096f7109bfb22cecbc275224470e77bb89458585e1c34008229aedb7f9"
  ],
  "GNU's long names": [
    "tarsum+sha256:2c7d23f4696ccecf13aaf781a0730db8fccbb1a8b3d2f4b1a032419db9a664d9",
    "tarsum.v1+sha256:12fbb344dcda56ce2455cd59160b655fe9faf12f399aea8e467a8b32fa99b0d5"
  ],
  "GNU's long name before pax": [
    "tarsum+sha256:ff72d68b133700f8ec95d3c9f1cb8fbbc60a57a8da14a23d169bb5cbc1128b4d",
    "tarsum.v1+sha256:e93fe05f074a297827121dede2be8700b717ca16efc51664f8621ee07d13367c"
  ],
  "pax: everything": [
    "tarsum+sha256:31597c059e057e6deca0200264cea3e4c8ff2a02a4bb321308931441988e2298",
    "tarsum.v1+sha256:41d0be4b92afb873cb77b0cde64947611e1e83d6451d62ca9a2df38d8965e79b"
  ],
  "pax: times before 1970": [
    "tarsum+sha256:49f583dd2c0b7d67eb46502efba046ffc82854f1badd37ded37baef1ab22faad",
    "tarsum.v1+sha256:9ad94bac3da4e41ab1717fb0c04f7bbadffb63fa8b3d9f08afc37a882b4b5f9f"
  ],
  "pax: extended attributes": [
    "tarsum+sha256:2883b63736264bd51ef694b98e927e7b53e4b52298225f27c3eca779d99e78a9",
    "tarsum.v1+sha256:bc8ac27d1676350756e50125f8aac347a82224b3a67cd2f8543c774c7479d580"
  ],
  "pax: what is empty says nothing": [
    "tarsum+sha256:a248b8c10cadeb78fa225e17e830c9cda927b65afdd8928eecf25e2bc3ebfa1a",
    "tarsum.v1+sha256:c02a4bfd373cd27254c851b3e961e695b0da2c36d2498d6299659ffa1049f842"
  ],
  "pax: the second header replaces the first": [
    "tarsum+sha256:fdf2233d1c3c9a206c158d6277ded35bb96a0d1f664646f060eb04e960e31475",
    "tarsum.v1+sha256:b4edcecccc1297deb551bb74e407049425a269a84cc6ed8966fd830788251bb7"
  ],
  "pax: the last record of a key": [
    "tarsum+sha256:3dcd61010232d6f01af80aa813c827fd47179035cd8d40be4e1ca82f3f4c0fee",
    "tarsum.v1+sha256:f78f91dc461cabd0f0d5d03273f8ad3c13f6be8cc65fb95cce6ce24a5b57ba07"
  ],
  "pax: a global header": [
    "tarsum+sha256:735447787fb96cdddf20ab6699d250c87379bf0a6b5a828808b484665452676f",
    "tarsum.v1+sha256:46baafe9aa84e54ed5ba85dcf111dc5bf8247ae94fbd4852c6c23cd669cc3fb1"
  ],
  "pax: a global header with a name and more": [
    "tarsum+sha256:035e502773bb57ac88d49c95b626f8e474af834c3a74b6c13496f5d59be3d32e",
    "tarsum.v1+sha256:87f1cfbc457a6c4de2fb17c5951a685677dc479636d6a45421d6ff224e775ef3"
  ],
  "pax: a global header between": [
    "tarsum+sha256:735447787fb96cdddf20ab6699d250c87379bf0a6b5a828808b484665452676f",
    "tarsum.v1+sha256:8d6dcd2b7309a55bc883c6528d9fcac4a6f5b0deb95217c3539fede47bda885a"
  ],
  "sparse: GNU's old format": [
    "tarsum+sha256:99a290707f1123593c75af6931f96ed6d377d484ee2083278044dc8fa305b5c0",
    "tarsum.v1+sha256:9b709e44f2c5bf4ce0b24e7b3542da5e6e8cf2a32558e545e2938bd1197e11d5"
  ],
  "sparse: nothing but a hole": [
    "tarsum+sha256:cfa35aa2a573e595732c8d32b9b1972e2f9f2d46942d6f0e8bf191412eb838c7",
    "tarsum.v1+sha256:0540e7422a8c68f4f726eae2511f07edb9ca21bd3050bec42ea2829668b7a99d"
  ],
  "sparse: pax 0.0": [
    "tarsum+sha256:5678ce7aa4afd0f64cf7153d25d97a38b5a4cdd7586e41127e146749c49d024c",
    "tarsum.v1+sha256:29e386e3232c1bda6e4f179dfaa549d6cfdf834e423e1da43fa141d48a0e2b70"
  ],
  "sparse: pax 0.1": [
    "tarsum+sha256:4747dd56d943afa129ab59e41e2ded6922d355af88668de3237f4fe92a1a783a",
    "tarsum.v1+sha256:a12b3d5a9aa20df5f0f7f529bb908818dada2469add7d5617e05ece7cd779649"
  ],
  "sparse: pax 1.0": [
    "tarsum+sha256:825b19cb961660fde6e328804a09c0cb1d535115fac17d7941c5a94b3c41121e",
    "tarsum.v1+sha256:cb77e81b0a66d3eaa44748b7c70ea6abc6cc0ab2ebfcedc6152433d14d9ac687"
  ],
  "sparse: a version nobody knows": [
    "tarsum+sha256:00132dd6ee2abc9e48ffaf61d1b518d5bf307ff39950af17470bb07c4044f5a6",
    "tarsum.v1+sha256:9a296c1dc260c88124c032038e6165dfe5a937f084dd90bc4d8b49f6959ac295"
  ],
  "a path three times, in one order and in another": [
    "tarsum+sha256:eeb1a2b2bd0d08feee7fc951a19c6567fb70cbf4d0ee8d3c15a6ec24268db7c7",
    "tarsum.v1+sha256:d40530fb6b93b543f68a33dad4c4a715a4de53285837f9fea0d103759b280271"
  ],
  "broken: a checksum": ["MalformedContent", "MalformedContent"],
  "broken: a checksum to the base 256": ["MalformedContent", "MalformedContent"],
  "broken: the middle of a header": ["MalformedContent", "MalformedContent"],
  "broken: the middle of a file": ["MalformedContent", "MalformedContent"],
  "broken: zeros and then more": ["MalformedContent", "MalformedContent"],
  "broken: a number": ["MalformedContent", "MalformedContent"],
  "broken: a number over 64 bits": ["MalformedContent", "MalformedContent"],
  "broken: a negative size": ["MalformedContent", "MalformedContent"],
  "broken: a pax record without end": ["MalformedContent", "MalformedContent"],
  "broken: a pax record without key": ["MalformedContent", "MalformedContent"],
  "broken: a pax path with a zero": ["MalformedContent", "MalformedContent"],
  "broken: a pax number": ["MalformedContent", "MalformedContent"],
  "broken: a pax time": ["MalformedContent", "MalformedContent"],
  "broken: a sparse map out of order": ["MalformedContent", "MalformedContent"],
  "broken: a sparse file without content": ["MalformedContent", "MalformedContent"],
  "broken: a sparse file with more than fits": ["MalformedContent", "MalformedContent"],
  "broken: an old sparse file without GNU's magic": ["MalformedContent", "MalformedContent"]
}
