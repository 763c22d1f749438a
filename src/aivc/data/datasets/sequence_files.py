"""Molecules with something measured of each: variants, promoters, untranslated regions, affinities, and proteins."""

from aivc.data.datasets.record import Dataset, File, Original

_MAVENN = (
    "https://raw.githubusercontent.com/jbkinney/mavenn/4553944e31b195f0d83dc4a95cdca94d606d97b4/"
    "mavenn/examples/datasets/"
)
_FLIP = "https://raw.githubusercontent.com/J-SNACKKB/FLIP/62cace8735f5610e2743cf06ce0f944b37fffaa6/splits/gb1/"
_MPRA = (
    "https://raw.githubusercontent.com/autosome-imtf/MPRA-MNIST/0a4b122102a076e52c14dbfc1c38f9ca55988fb4/"
    "datasets/Vikram_splited/"
)
_SALUKI = "https://raw.githubusercontent.com/vagarwal87/saluki_paper/3aa4e56a19bbbf87ac9f5f0a251098cf749ad6bc/"
_DEEPDTA = "https://raw.githubusercontent.com/hkmztrk/DeepDTA/a546a8433a6822e958f36171c4356ad6f414d623/data/davis/"
_DSCRIPT = "https://raw.githubusercontent.com/samsledje/D-SCRIPT/b1957f109baef2f372c162fea65320416afa08d1/data/seqs/"

GB1 = Dataset(
    name="gb1-four-site",
    title="GB1, four sites",
    what="Fitness of 149,361 of 160,000 variants of protein GB1 at sites 39, 40, 41 and 54; FLIP's splits on 8,733.",
    species="Streptococcus",
    files=(
        File(
            "variants",
            "G/flip_gb1_four_sites_149k.parquet",
            1354831,
            "8e1f4cc20726705a08713c9900c40824986891dcd16f13bab349aaac40acaeb8",
            original=Original(
                _FLIP + "four_mutations_full_data.csv.zip",
                2659007,
                "85692d808dcd3ae54fa2ac31f4e590858d4582369b6c7b05df299b9b6c383bff",
            ),
        ),
        File(
            "reference",
            "G/flip_gb1_wt_sequence.txt",
            266,
            "c5420ef9393413dad981c8ea41a758e47ecfd20c8a811a92273fd7f59c220d01",
            original=Original(
                _FLIP + "5LDE_1.fasta",
                374,
                "0316a39393885ff3337c43fd885286d0d1517b8c26d6bf03572893298005d03b",
            ),
        ),
    ),
    source="repository J-SNACKKB/FLIP, commit 62cace87, splits/gb1",
    licence="repository AFL-3.0; data of the paper, terms not stated",
    citation="Wu et al. 2016, eLife 5:e16965; Dallago et al. 2021, NeurIPS Datasets and Benchmarks (FLIP)",
    notes=(
        "Fitness is the enrichment by binding IgG over that of the wild type, which has 1.",
        "Sequences are the domain of 56 letters that was measured; FLIP writes the whole chain of 5LDE, 265 letters.",
        "FLIP thins the variants without binding, so that only 8,733 are in its splits.",
    ),
)

AMYLOID = Dataset(
    name="amyloid-beta",
    title="Amyloid beta, single and double variants",
    what="Nucleation scores of 16,066 single and double variants of the peptide amyloid beta, 42 letters.",
    species="human",
    files=(
        File(
            "variants",
            "G/mavenn/amyloid_data.csv.gz",
            353740,
            "4b5292241908db39e198aecd59a0e4d0e0ff00dea67e0af3085686023fb91dfa",
            _MAVENN + "amyloid_data.csv.gz",
        ),
    ),
    source="repository jbkinney/mavenn, commit 4553944e",
    licence="repository MIT; data of the paper, terms not stated",
    citation="Seuma et al. 2021, eLife 10:e63364; Tareen et al. 2022, Genome Biology 23:98 (MAVE-NN)",
    notes=("Scores are log enrichments: the wild type has 0.", "A star is a stop: no letter behind it is made."),
)

MPSA = Dataset(
    name="mpsa-brca2",
    title="Splicing of BRCA2 exon 17",
    what="Inclusion of BRCA2's exon 17 with 30,483 variants of nine letters as its 5' splice site.",
    species="human",
    files=(
        File(
            "variants",
            "G/mavenn/mpsa_data.csv.gz",
            431713,
            "df1251425d7bae15cbae5922c9b05e7765344fc4bb13970fb44b51370c09cf74",
            _MAVENN + "mpsa_data.csv.gz",
        ),
    ),
    source="repository jbkinney/mavenn, commit 4553944e",
    licence="repository MIT; data of the paper, terms not stated",
    citation="Wong et al. 2018, Molecular Cell 71:1012; Tareen et al. 2022, Genome Biology 23:98 (MAVE-NN)",
    notes=("Values are log10 of percent spliced in, relative to the consensus site at 100.",),
)

SORTSEQ = Dataset(
    name="sortseq-lac",
    title="Sort-seq of the lac promoter",
    what="Cells sorted by the expression that 50,518 variants of E. coli's lac promoter (75 letters) drive.",
    species="Escherichia coli",
    files=(
        File(
            "variants",
            "G/mavenn/sortseq_data.csv.gz",
            661609,
            "874d92522535f24517e1c389f21c9e067ab30f43ec34cf951d3efee498324d40",
            _MAVENN + "sortseq_data.csv.gz",
        ),
    ),
    source="repository jbkinney/mavenn, commit 4553944e",
    licence="repository MIT; data of the paper, terms not stated",
    citation="Kinney et al. 2010, PNAS 107:9158; Tareen et al. 2022, Genome Biology 23:98 (MAVE-NN)",
    notes=(
        "mean_bin is the mean of bins 1 to 9 over reads. Bin 0 lies where the unsorted library would, in the middle of "
        "the others by what its letters predict: it is left out, and what was read in it alone has no value.",
        "Nearly every variant was read once: most of the spread of mean_bin is the noise of sorting.",
        "The reference is the commonest letter at each position.",
    ),
)


def _lentimpra(cells: str, file: File, count: str) -> Dataset:
    return Dataset(
        name=f"lentimpra-{cells.lower()}",
        title=f"lentiMPRA in {cells}",
        what=f"Regulatory activity of {count} stretches of DNA (230 letters) in {cells} cells, log2 of RNA over DNA.",
        species="human",
        files=(file,),
        source="repository autosome-imtf/MPRA-MNIST, commit 0a4b1221, datasets/Vikram_splited",
        licence="repository: none stated; data ENCODE, terms not stated for this copy",
        citation="Agarwal et al. 2025, Nature 639:411",
        notes=(
            "One part of a published split, the one called val there: it is divided no further.",
            "Elements stand here forwards and reversed: groups keep the two together.",
            "The first and last 15 letters are adapters, the same in all.",
        ),
    )


LENTIMPRA = (
    _lentimpra(
        "HepG2",
        File(
            "elements",
            "G/lentimpra_agarwal/val_HepG2.tsv.gz",
            829305,
            "9f971a2ebd629f03b0811f6f8631a4719bfd4a1340e34e0a63f9d653d8ed4c34",
            original=Original(
                _MPRA + "val_HepG2.tsv", 3273509, "18ae15e1ec4325d02ed682b9a78579e72198ea2eb00100d4dbca0ba41ccfca1c"
            ),
        ),
        "12,292",
    ),
    _lentimpra(
        "WTC11",
        File(
            "elements",
            "G/lentimpra_agarwal/val_WTC11.tsv.gz",
            306857,
            "1be4a03d49b165f7ee3fbba3aa9a5c759bffae5b9cad2dd1d0a3ceb7b7c5f3c7",
            original=Original(
                _MPRA + "val_WTC11.tsv", 1153894, "d708a8d2188f7453e53e148d59ab4f98aa15e2dada8ad0c7f41d2b2acd1961d1"
            ),
        ),
        "4,617",
    ),
)

FAST_UTR = Dataset(
    name="fast-utr",
    title="fast-UTR in Jurkat cells",
    what="Change of mRNA stability by 17,841 variants of 9,168 stretches of human 3' untranslated regions, Jurkat.",
    species="human",
    files=(
        File(
            "variants",
            "G/fastutr_mpra_jurkat.tsv.gz",
            746820,
            "903c2ef16380362394c9e4872a7422d43c95c43157336c6717fed7ecd7cc5045",
            _SALUKI + "Fig6_S7/Siegel_testSet/fastUTR_mpra_Jurkat.txt.gz",
        ),
    ),
    source="repository vagarwal87/saluki_paper, commit 3aa4e56a, Fig6_S7/Siegel_testSet",
    licence="repository Apache-2.0; data of the paper, terms not stated",
    citation="Siegel et al. 2022, Cell Reports 38:110408; Agarwal and Kelley 2022, Genome Biology 23:245",
    notes=(
        "Effects are against the unchanged stretch, after the effect of GC content: the unchanged one has 0.",
        "In the file each variant is followed by its unchanged stretch; here that is the row's background and group.",
        "The letters of the file are DNA's; here they are RNA's.",
    ),
)

STABILITY = Dataset(
    name="mrna-stability",
    title="mRNA stability, consensus of studies",
    what="First principal component of mRNA half-lives over human samples, 13,921 genes, Ensembl and symbols.",
    species="human",
    files=(
        File(
            "table",
            "G/mrna_halflife_human_PC1.tsv.gz",
            228145,
            "3508bafede87714623352be1918186a58da181cfbde966fca71b4705ebdc7754",
            original=Original(
                _SALUKI + "Fig2_S3/all_HLs_human_PC1.txt",
                556496,
                "4b3b3a8733f5fc610c4c95d37ee9adc9fdaa0ce9330d9eae1b8ddeeaa46cd6c7",
            ),
        ),
    ),
    source="repository vagarwal87/saluki_paper, commit 3aa4e56a, Fig2_S3",
    licence="repository Apache-2.0",
    citation="Agarwal and Kelley 2022, Genome Biology 23:245",
    notes=("The sequences of the transcripts are not in the file: only what is known of the genes can explain it.",),
)

_ENTITIES = ("G/dta_davis_entities.json.gz", 158265, "7aefa14c99d81f6bb562869f8e5219dd4093ee05b01df750b9d6bf6a7088272d")

DAVIS = Dataset(
    name="davis",
    title="Kinase inhibitors and kinases (Davis)",
    what="Affinities of 68 inhibitors for 442 kinases, all 30,056 pairs, as pKd.",
    species="human",
    files=(
        File(
            "affinity",
            "G/dta_davis_affinity.parquet",
            27968,
            "67d20c5c06c9967ec7d610663991d0ba2d359e044f9322988f42d9f7ace9f9af",
            original=Original(
                _DEEPDTA + "drug-target_interaction_affinities_Kd__Davis_et_al.2011v1.txt",
                164306,
                "e2c3d003d49aff61f70be24feafd8d084b0df9404d919338088855828e252d88",
            ),
        ),
        File(
            "ligands",
            *_ENTITIES,
            original=Original(
                _DEEPDTA + "ligands_can.txt",
                5306,
                "141094d99510a52091d2ea1b05be7c1f66b2c5fcaeeeb261eaf4cbf2128bde6d",
            ),
        ),
        File(
            "proteins",
            *_ENTITIES,
            original=Original(
                _DEEPDTA + "proteins.txt",
                355211,
                "187cedeee10cd3b58af915a2861a5ed0c4ff42a2d728f4dea5e0b47e3d75b291",
            ),
        ),
    ),
    source="repository hkmztrk/DeepDTA, commit a546a843, data/davis",
    licence="repository: none stated; data of the paper, terms not stated",
    citation="Davis et al. 2011, Nature Biotechnology 29:1046; Öztürk et al. 2018, Bioinformatics 34:i821 (DeepDTA)",
    notes=(
        "70 % of the pairs bind at 10 uM or weaker and stand at 5: a floor, not a measurement.",
        "Most mutated and phosphorylated kinases stand there with the sequence of the unchanged one, 379 different "
        "sequences in all: groups keep those of one sequence together.",
    ),
)

YEAST = Dataset(
    name="yeast-proteins",
    title="Proteins of yeast",
    what="Sequences of 5,664 proteins of Saccharomyces cerevisiae.",
    species="Saccharomyces cerevisiae",
    files=(
        File(
            "sequences",
            "G/yeast_proteins_5664.fasta.gz",
            1157089,
            "a4ded0dd0941a7a0592e4bad25ebafdba26879bc5a45b2d0181647653f13aa0b",
            original=Original(
                _DSCRIPT + "yeast.fasta", 2020290, "b2461902147c9addb2bdac9f445448a6219b631c4d3e4180397a0573b4cd3dfb"
            ),
        ),
    ),
    source="repository samsledje/D-SCRIPT, commit b1957f10, data/seqs",
    licence="repository MIT; sequences STRING CC BY 4.0 (unverified for this copy)",
    citation="Sledzieski et al. 2021, Cell Systems 12:969 (D-SCRIPT)",
)

SEQUENCES = (GB1, AMYLOID, MPSA, SORTSEQ, *LENTIMPRA, FAST_UTR, STABILITY, DAVIS, YEAST)
