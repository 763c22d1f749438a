"""What is already known about genes, proteins and compounds: files that other rooms read by path."""

from aivc.data.datasets.record import Dataset, File, Original

_CELLPHONEDB = "https://raw.githubusercontent.com/ventolab/cellphonedb-data/"
_GSEAPY = "https://raw.githubusercontent.com/zqfang/GSEApy/"
_LINCS = "https://raw.githubusercontent.com/dhimmel/lincs/"
_NICHENET = "https://raw.githubusercontent.com/saeyslab/nichenetr/"
_SALUKI = "https://raw.githubusercontent.com/vagarwal87/saluki_paper/"
_PREPARED = "A prepared copy: same values as the source, in a standard format."
_ORIGINAL = "As its public repository holds it."
_PACKAGED = "Comes with the package; how it was made and checked stands in packaged/drug_mechanisms.README.md."


def _knowledge(
    name: str, what: str, file: File, source: str, *, licence: str, citation: str, species: str = "human"
) -> Dataset:
    return Dataset(
        name=name,
        title=what.split(":")[0],
        what=what,
        species=species,
        files=(file,),
        source=source,
        licence=licence,
        citation=citation,
        notes=(_ORIGINAL if file.address else _PREPARED,),
    )


KNOWLEDGE = (
    Dataset(
        name="drug-mechanisms",
        title="Targets and mechanisms of drugs",
        what="Canonical name, targets, action, mechanism and group of mechanisms of 507 compounds under 543 names.",
        species="human",
        files=(
            File(
                "table",
                "drug_mechanisms.tsv",
                56201,
                "0e04f697aebb5d320f2e066a18aaa815233450b41ab11c63def427908311c7c2",
            ),
        ),
        source="compiled for this project from general knowledge of pharmacology, drug by drug",
        licence="CC0 1.0",
        citation="aivc, table of drug mechanisms (src/aivc/data/packaged/drug_mechanisms.tsv)",
        notes=(_PACKAGED, "One mechanism per drug: what else a drug hits shows in its targets alone."),
        redistribute=True,
    ),
    _knowledge(
        "ppi-intact",
        "Human protein interactions, IntAct and IMEx: 177,406 pairs of gene symbols",
        File(
            "pairs",
            "J/ppi_human_imex_intact_symbols.parquet",
            502048,
            "8ed49cd4f8a451eba37f8188f3b92b2822e70576bcc1ca42ad4f9c5960aa0113",
        ),
        "repository ventolab/cellphonedb-data; made from imex-records and intact-records, which are public",
        licence="repository: none stated; IntAct CC BY 4.0",
        citation="Orchard et al. 2014, Nucleic Acids Research 42:D358 (IntAct)",
    ),
    _knowledge(
        "imex-records",
        "Human protein interactions, IMEx records: 414,271 pairs of accessions, of which ppi-intact was made",
        File(
            "records",
            "J/IMEx_interaction_raw.csv.xz",
            3620940,
            "a0c0970b49e81dc6a788ff20b1f004e43bd7764d6caef0b2cdf5ac233fa94717",
            _CELLPHONEDB + "bd495acbf209acfdfb862ab16b99e58dd7d3df16/data/sources/IMEx_interaction_raw.csv.xz",
        ),
        "repository ventolab/cellphonedb-data",
        licence="repository: none stated; IntAct CC BY 4.0",
        citation="Orchard et al. 2014, Nucleic Acids Research 42:D358 (IntAct)",
    ),
    _knowledge(
        "intact-records",
        "Human protein interactions, IntAct records: 365,124 pairs of accessions, of which ppi-intact was made",
        File(
            "records",
            "J/IntAct_interaction_raw.csv.xz",
            3201668,
            "b52cf61bcdabff0ff360ed341154df86a18e1a5b316d6aeccebc6a9df58dffb4",
            _CELLPHONEDB + "bd495acbf209acfdfb862ab16b99e58dd7d3df16/data/sources/IntAct_interaction_raw.csv.xz",
        ),
        "repository ventolab/cellphonedb-data",
        licence="repository: none stated; IntAct CC BY 4.0",
        citation="Orchard et al. 2014, Nucleic Acids Research 42:D358 (IntAct)",
    ),
    _knowledge(
        "string-experimental",
        "Human protein interactions, STRING experimental channel: 87,014 pairs of gene symbols, confidence 401 to 999",
        File(
            "pairs",
            "J/string_experimental_human_87k.csv.gz",
            523457,
            "ba042acad26a29ce4c1f1528c52528de638f2a7746e9c2d9734930a5c898d572",
            original=Original(
                "https://raw.githubusercontent.com/JoWatson2011/subcellularvis/"
                "6a4adf5988d9c445f4d5c4635d8dd7f7d8ad6487/data/STRINGexpmtgene.rds",
                493605,
                "7e3b3a4937d514d5b196820b911cf3e60da499a31388668c1b24041c7611431b",
            ),
        ),
        "repository JoWatson2011/subcellularvis",
        licence="repository MIT; STRING CC BY 4.0 (unverified for this copy)",
        citation="Szklarczyk et al. 2019, Nucleic Acids Research 47:D607 (STRING)",
    ),
    _knowledge(
        "go-bp",
        "Gene Ontology biological process 2021: 6,036 sets of genes",
        File(
            "sets",
            "J/genesets/GO_Biological_Process_2021.gmt.gz",
            570182,
            "55e980eba4cf75c6a563010724d3ddb4c01fc5c09d110296cf6b2b1482219ad5",
            original=Original(
                _GSEAPY
                + "476d0aabb275ffd9b764b5035b085d8a2897fbee/tests/extdata/enrichr.GO_Biological_Process_2021.gmt",
                1531081,
                "5987ce789053fdd5533393cd65b9abdb5e08e4fade7b0625a1fe234a1207eea4",
            ),
        ),
        "repository zqfang/GSEApy, commit 08cb2b68, its Enrichr libraries",
        licence="repository BSD-3-Clause; Gene Ontology CC BY 4.0 (unverified for this copy)",
        citation="The Gene Ontology Consortium 2021, Nucleic Acids Research 49:D325",
    ),
    _knowledge(
        "reactome",
        "Reactome 2016: 1,530 pathways as sets of genes",
        File(
            "sets",
            "J/genesets/Reactome_2016.gmt.gz",
            177226,
            "6dd00f86f2ef8652a8ad73afd3a9edb8432789988f416eadae34a4a9a98b02a0",
            original=Original(
                _GSEAPY + "b012aee2a942a36b6a5533876c91fcb096bceb76/data/Reactome_2016.txt",
                1091644,
                "7bde5ee8f004f31151246349eb16bb7a01c5af85df5f3b00d32e7cdd12d36557",
            ),
        ),
        "repository zqfang/GSEApy, commit 08cb2b68, its Enrichr libraries",
        licence="repository BSD-3-Clause; Reactome CC BY 4.0 (unverified for this copy)",
        citation="Fabregat et al. 2016, Nucleic Acids Research 44:D481",
    ),
    _knowledge(
        "hallmark",
        "MSigDB hallmark v7.0: 50 sets of genes",
        File(
            "sets",
            "J/genesets/hallmark_v7.0.gmt.gz",
            22306,
            "cac0c05c4a12e60215b0c1a523b900ca30431c753f227cf5f4f11bf181fd0457",
            original=Original(
                _GSEAPY + "8611014ddbde0117dc0d1f0422c9846ac94a6a41/tests/extdata/h.all.v7.0.symbols.gmt",
                48334,
                "4803c09aae50bbd96d53fc681bd5545a4c89278993c15145dd7b7c994f893516",
            ),
        ),
        "repository zqfang/GSEApy, commit 08cb2b68",
        licence="repository BSD-3-Clause; MSigDB CC BY 4.0",
        citation="Liberzon et al. 2015, Cell Systems 1:417",
    ),
    _knowledge(
        "dorothea",
        "DoRothEA: human transcription factors and their targets, confidence A to E",
        File(
            "regulons",
            "J/dorothea_hs.csv.gz",
            1879633,
            "30345a6655d1b6ab30987af204450bf6dd996071f5040e69c99d440c3d153996",
        ),
        "repository saezlab/dorothea, commit 1461fb75",
        licence="repository GPL-3; upstream notes restrict some sources to academic use",
        citation="Garcia-Alonso et al. 2019, Genome Research 29:1363",
    ),
    _knowledge(
        "compartments",
        "Cellular compartments of human proteins: 14 compartments, 18,296 genes",
        File(
            "table",
            "J/go_cc_compartments_human_subcellularvis.csv.gz",
            284271,
            "28a7ebfe0cd2a5e89e1ee508dd8cc27914c30ffe0e913b2f0942f992da5b3ef4",
        ),
        "repository JoWatson2011/subcellularvis, commit 5f8ede21",
        licence="repository MIT; data: none stated",
        citation="Watson et al. 2022, Nucleic Acids Research 50:W718",
    ),
    _knowledge(
        "uniprot-human",
        "UniProt reviewed human proteins: names, gene names with synonyms, lengths",
        File(
            "table",
            "J/uniprot_human_reviewed_20422_genes.tab.gz",
            918354,
            "12d46e6f090be63276829663beab2cd41dcc143d2eb5cd7b490002e1154db087",
            original=Original(
                _CELLPHONEDB + "bd495acbf209acfdfb862ab16b99e58dd7d3df16/data/sources/uniprot.tab",
                3420397,
                "29cb01d5f5cea889d0ca1722edc3f149d681ff83d73316beab706a1da9cf7904",
            ),
        ),
        "repository ventolab/cellphonedb-data; originally UniProt",
        licence="repository: none stated; UniProt CC BY 4.0",
        citation="The UniProt Consortium 2021, Nucleic Acids Research 49:D480",
    ),
    _knowledge(
        "cellphonedb-interactions",
        "CellPhoneDB v5 interactions: 2,911 pairs of ligands and receptors, proteins or complexes",
        File(
            "table",
            "J/cellphonedb_v5/interaction_input.csv",
            505620,
            "3cf0ceace45dcb42478f0e6a7be9a50104794eac68d731f7c82d4c13325175ab",
            _CELLPHONEDB + "71ffa8a163389913907d40993bec2821a111f64d/data/interaction_input.csv",
        ),
        "repository ventolab/cellphonedb-data, commit 71ffa8a1",
        licence="none stated",
        citation="Troulé et al. 2025, Nature Protocols (CellPhoneDB v5)",
    ),
    _knowledge(
        "cellphonedb-complexes",
        "CellPhoneDB v5 complexes: the proteins that 362 ligands and receptors are made of",
        File(
            "table",
            "J/cellphonedb_v5/complex_input.csv",
            56886,
            "c761b75f5438d5b23f9fefa5ddaac84acb127fe5dd72fe931d5c07d8a557b362",
            _CELLPHONEDB + "71ffa8a163389913907d40993bec2821a111f64d/data/complex_input.csv",
        ),
        "repository ventolab/cellphonedb-data, commit 71ffa8a1",
        licence="none stated",
        citation="Troulé et al. 2025, Nature Protocols (CellPhoneDB v5)",
    ),
    _knowledge(
        "cellphonedb-genes",
        "CellPhoneDB v5 genes: UniProt, HGNC and Ensembl names of ligands and receptors",
        File(
            "table",
            "J/cellphonedb_v5/gene_input.csv",
            65195,
            "538fff62a77d9077e0307337552bed087817632da015c620f17666d088066623",
            _CELLPHONEDB + "71ffa8a163389913907d40993bec2821a111f64d/data/gene_input.csv",
        ),
        "repository ventolab/cellphonedb-data, commit 71ffa8a1",
        licence="none stated",
        citation="Troulé et al. 2025, Nature Protocols (CellPhoneDB v5)",
    ),
    _knowledge(
        "mrna-halflife",
        "Human mRNA half-lives in 54 samples, 19,503 genes, Ensembl and symbols",
        File(
            "table",
            "G/mrna_halflife_human_all_studies.parquet",
            2331974,
            "a50a064ceff364051587939c62686b183a7a0719a2afda89e1285f7315dc7501",
            original=Original(
                _SALUKI + "3aa4e56a19bbbf87ac9f5f0a251098cf749ad6bc/Fig1_S1_S2/all_HLs_human.txt.gz",
                4074829,
                "6879ca92cb92afb25006652efa3de6af1e096ceae91783ceeeb44aeb24fc86ab",
            ),
        ),
        "repository vagarwal87/saluki_paper, commit 3aa4e56a, Fig1",
        licence="repository Apache-2.0",
        citation="Agarwal and Kelley 2022, Genome Biology 23:245",
    ),
    _knowledge(
        "orthologs-symbols",
        "Human and mouse orthologs: 18,985 pairs of gene symbols with Entrez numbers",
        File(
            "pairs",
            "H/human_mouse_gene_symbols_nichenet.csv.gz",
            264219,
            "a9278a61cbd21605f940f689d32f21b91ccd8ecee538b1599fff74c0f685eb66",
            original=Original(
                _NICHENET + "929d27a02767d4b9588f13a85d2affb027b2dd0b/data/geneinfo_human.rda",
                228559,
                "ddb818448f50933e90fc19a972c534688259995d7035113913feeb6363a69d72",
            ),
        ),
        "repository saeyslab/nichenetr",
        licence="repository GPL-3",
        citation="Browaeys et al. 2020, Nature Methods 17:159",
        species="human, mouse",
    ),
    _knowledge(
        "orthologs-ensembl",
        "Human and mouse orthologs: one-to-one Ensembl pairs",
        File(
            "pairs",
            "H/human_mouse_1to1_orthologs_ensembl.tsv.gz",
            350345,
            "bfeb28960e8ccca9a127c34c50ad4af7adc0ca36658cccc570a206cc16fe73ac",
            original=Original(
                _SALUKI + "3aa4e56a19bbbf87ac9f5f0a251098cf749ad6bc/Fig2_S3/1to1_orthologs_expression.txt",
                1318768,
                "138022f15bcd135a26a82c7f6d50a538e13ca0ce195cd2e20ea0f3f9a231db6e",
            ),
        ),
        "repository vagarwal87/saluki_paper, commit 3aa4e56a",
        licence="repository Apache-2.0",
        citation="Agarwal and Kelley 2022, Genome Biology 23:245",
        species="human, mouse",
    ),
    _knowledge(
        "lincs-geneinfo",
        "LINCS L1000 genes: Entrez numbers, symbols, landmark flags",
        File(
            "table",
            "J/lincs_geneinfo.parquet",
            309290,
            "0fdff9121a49f340f6f25e8b67c3e3369ff60a4b7a0d6a8928e5717701ee1531",
            original=Original(
                _LINCS + "bbc6812b7d19e98637b44373cdfc52f61bce6327/data/geneinfo/geneinfo.tsv.gz",
                482059,
                "9a3e544a5bb1926721edc12a1bf3b6830b47a32c5f3ce5d840e3d0f2df046c0a",
            ),
        ),
        "repository dhimmel/lincs",
        licence="CC BY 4.0 (data), CC0 (repository)",
        citation="Subramanian et al. 2017, Cell 171:1437",
    ),
    _knowledge(
        "lincs-compounds",
        "LINCS compounds: 20,359 with SMILES and InChI keys",
        File(
            "table",
            "J/lincs_compounds_smiles.parquet",
            1009543,
            "b6cf4721d9439d7e2c053a88c458aeaf1a43d40ed7dbce6468fb7bac8dcc3e97",
        ),
        "repository dhimmel/lincs",
        licence="CC BY 4.0 (data), CC0 (repository)",
        citation="Subramanian et al. 2017, Cell 171:1437",
        species="none",
    ),
    _knowledge(
        "jump-target",
        "JUMP-Target-1 compounds: names, SMILES and the genes they target",
        File(
            "compounds",
            "J/jump_target/JUMP-Target-1_compound_metadata.tsv.gz",
            38847,
            "23f31f5c2ced087f0472a1d9a1127f68c3852da5d7cb7d1e9f53ef9725b9a5b4",
        ),
        "repository jump-cellpainting/JUMP-Target, commit 2da0551",
        licence="repository MIT; compound annotations CC BY 4.0 (unverified for this copy)",
        citation="Chandrasekaran et al. 2024, Nature Methods 21:1114",
        species="none",
    ),
)
