"""Sizes and checksums of image files, as they lie here and as their repositories hold them."""

from typing import NamedTuple


class Pinned(NamedTuple):
    """One image: the same pixels in two files.

    Attributes:
        name: What both files are called.
        bytes: Size of the prepared file, compressed without loss.
        sha256: Its checksum.
        original_bytes: Size of the file in its repository.
        original_sha256: Its checksum.
    """

    name: str
    bytes: int
    sha256: str
    original_bytes: int
    original_sha256: str


NF1_FILES: tuple[Pinned, ...] = (
    Pinned(
        "B7_01_1_3_DAPI_001.tif",
        503416,
        "1a18a49b9eda30c7fb7f9f2032284685c3e4fe788fda8d896e8b53a9179598c5",
        516714,
        "39962e553890376ae57d480f365509e04939677c6ce96eff68aab900f6ebbea3",
    ),
    Pinned(
        "B7_01_1_3_DAPI_001_MaskNuclei.tiff",
        6534,
        "b2e4d57f67b39e551329ba41209176c96285ff12353a70108fb74bba96628188",
        7248,
        "b68fc9470a4e983dd3e5db08be9b3bc281c13b9beeef12683176d04b9d6cb34e",
    ),
    Pinned(
        "B7_01_2_3_GFP_001.tif",
        760468,
        "9b59cad54199d87f34898d596cf46342e628f438c71f59f544decb56970ffe01",
        795997,
        "7534cff64ee7612ee37c66846a7bcf54813c8947bd5b304a3558de321e45d29c",
    ),
    Pinned(
        "B7_01_3_3_RFP_001.tif",
        701433,
        "9eb69d760b749ab5ffd4051e3aadabd4a6ed2eb609e2f48f9f4d177db4750277",
        728322,
        "e23c3b6cdd1a1fb0f35489227e9dab5022fafbd78277938e45ea7904bef30dcc",
    ),
    Pinned(
        "B7_01_3_3_RFP_001_MaskCells.tiff",
        8357,
        "43f8245902242dd119b9fc177470c26f3f64a2b44b3e7142eef958523f0069d3",
        10769,
        "7d186c162ee4e41f9636c136b1541e06b5e0e9c5875acc6eb43fb1fda35ffa56",
    ),
    Pinned(
        "B7_01_3_3_RFP_001_MaskCytoplasm.tiff",
        11161,
        "8f935cd6005a84568e0b005ee99849098a307d82b179aeda5176867bc4f326c7",
        13524,
        "383fa5fa703787b29775fe623446f945c02319af21db531da4eb2a1e10a4d6bb",
    ),
    Pinned(
        "D6_01_1_2_DAPI_001.tif",
        512470,
        "35a1d28d5f947d2709f728a86c6dbd26f05546edd393d5f8866bafe3df16e1c4",
        527546,
        "fc8a7a34412121cfbb03e1093eefe16fb06ba75f58e2c2f0630cab344e9fed74",
    ),
    Pinned(
        "D6_01_1_2_DAPI_001_MaskNuclei.tiff",
        7190,
        "96b9fc90da837ac9d02c647e079c52be0fe7adf2bf3fe4954df2a3dc209ad536",
        8163,
        "2db01e1cc78793a1fac10a0fea157846290f12ca6b8be1df577399e7a4383a2d",
    ),
    Pinned(
        "D6_01_2_2_GFP_001.tif",
        826773,
        "1bb3248f106fa4bd7ca6de18badaf4eaabca8d28c03c01eab649845eba9b2929",
        865601,
        "ffb430174f6ac63e64281d0525b2a65fe632bd8d0249174081d9bf8a53088540",
    ),
    Pinned(
        "D6_01_3_2_RFP_001.tif",
        790289,
        "17d3de1d6d6b9dffeca35d850240156065af2a29d8a91c10858f1c64acab9672",
        823034,
        "1352dcd4df608395b6322f22e994c5e52535c1a57accea81e3c50928360252f5",
    ),
    Pinned(
        "D6_01_3_2_RFP_001_MaskCells.tiff",
        11084,
        "5a478f82c36c5a80541947dc06758c81593c539074502923e534e3abfc51144f",
        13658,
        "5005d45a88f16555fd3ce23603cfaaf39c564f2b7317c1a9940df1aefdfb714e",
    ),
    Pinned(
        "D6_01_3_2_RFP_001_MaskCytoplasm.tiff",
        13853,
        "286b9e4ba5837ca43ee3fea5b5a2a5fab4f1c52a3ab11972dfd61396824bf501",
        16319,
        "1dac5e16006baa680c7c17d3c331c031c0f046d346667e9dc678a6eb7b75157b",
    ),
    Pinned(
        "H12_01_1_1_DAPI_001.tif",
        491432,
        "19abdf6f3c091733a6338cbdaabb57b5022b77af053b42fb5a8a7ff1cb0537d5",
        502976,
        "b53d2db992c5649bd1cde3e7bde142d2bbaa08cc2428dc72bd23c79c21c01a5f",
    ),
    Pinned(
        "H12_01_1_1_DAPI_001_MaskNuclei.tiff",
        5801,
        "56aba25a0579f2e526ad69b43716712c2ccbbe970e5c6184afa8c6218edd9e6c",
        6425,
        "3e22d183dc1c07099163e9a8d086810c9a35ebceb1b9c53432c45afd9cfd3950",
    ),
    Pinned(
        "H12_01_2_1_GFP_001.tif",
        780457,
        "4839d895c7a6746d8e71b74246999958a850a68018a54708d9cc23a63bf20f55",
        814327,
        "6b4bb0efe17cdeb690f76d18707af59984782e61a6c31acb890bb4aebe2be552",
    ),
    Pinned(
        "H12_01_3_1_RFP_001.tif",
        732143,
        "df2cae8b89d57c99b9877e279915d1fa48741610ddfb4cbb99fdb2b950b757c1",
        761371,
        "e6c0cc8a23f57a99dd459c3a6ff3b819df341c0e247194f0314bcb4219c241ac",
    ),
    Pinned(
        "H12_01_3_1_RFP_001_MaskCells.tiff",
        11918,
        "a7721e7c7bbddecb9da5ad925cdc7761b22cbea7ca33db76e3fa6be7d7a28272",
        14324,
        "884e7605a89fb7f2e77453b38e030de62439a6158a75055c3d3712191074d9da",
    ),
    Pinned(
        "H12_01_3_1_RFP_001_MaskCytoplasm.tiff",
        14677,
        "8848b6575539529dda0a587fa2f0b8a45bca4690c5bb3a106fa17abee8c08a14",
        16817,
        "0e21d2fab97ac4a00f053ed508aaf607ce3d762c7869fe28c860b7ed7f09f0d5",
    ),
)

HT29_FILES: tuple[Pinned, ...] = (
    Pinned(
        "AS_09125_050116030001_D03f00d0.tif",
        111370,
        "5da39db449e9cffd0d789de15d0ffee3650d295532b397ef77651425778d9fb6",
        233336,
        "2751ba667c4067c5d30817cff004aa06f6f6287f1cdbb5b8c9c6a500308cb456",
    ),
    Pinned(
        "AS_09125_050116030001_D03f00d1.tif",
        73756,
        "a5d6e11605e1db0284bb5312d5d4a1880a9943d5f39a260ef282e71384abe13a",
        240924,
        "141d66a67e8e9892be822465b0197c268e94c809d0213013d06cfc8c759453b4",
    ),
    Pinned(
        "AS_09125_050116030001_D03f00d2.tif",
        122412,
        "a183b3f7228e8d6e729d80998517d7e8e731d23661cfca22d582f7bdaa11f187",
        293652,
        "607300fa55d9ae7a722b6e0c7e2e38cad8584a2b94c3a0a0ed486c94832254d1",
    ),
)
