from hashquant.settings.names import Name, Names

NAMES = Names(
    methods={
        "opqn": Name("OPQN", words={"loss_on=x": "loss on x", "margin": "margin of {}"}),
        "gpq": Name("GPQ", words={"labels=100%": "", "labels": "{} of the labels"}),
        "pq": Name("PQ of the float embedding", short="PQ"),
        "float": Name("uncompressed", words={"scale": "{} times"}),
    },
    datasets={"lfw": "LFW", "lfw-unseen": "LFW, new people", "cifar10": "CIFAR-10"},
    classes={"cifar10": "classes"},
    options={"norm_stats=target": "own statistics"},
    trunks={"sphere20": "SphereFace-20"},
)


def test_without_names_everything_keeps_its_identifier():
    none = Names()
    assert none.row("opqn margin=0.3") == none.short("opqn margin=0.3") == "opqn margin=0.3"
    assert none.variant("opqn margin=0.3 b=1") == "margin=0.3 b=1"
    assert (none.method("opqn"), none.dataset("folder:a"), none.trunk("sphere20:w@1")) == (
        "opqn", "folder:a", "sphere20:w@1")  # fmt: skip
    assert none.block("lfw", "lfw+norm_stats=target") == "lfw (norm_stats=target)"
    assert none.block("lfw", "lfw-unseen") == "lfw → lfw-unseen"
    assert none.classes_of("lfw") == "identities"


def test_a_row_says_what_its_settings_mean():
    assert NAMES.row("opqn loss_on=x margin=0.3") == "OPQN, loss on x, margin of 0.3"
    assert NAMES.variant("opqn entropy_weight=0.01") == "entropy weight 0.01"
    assert NAMES.row("opqn mean=(0.5, 0.5) scale=2") == "OPQN, mean (0.5, 0.5), scale 2"


def test_all_labels_are_not_said_and_a_share_of_them_is():
    assert NAMES.row("gpq labels=100%") == "GPQ"
    assert NAMES.row("gpq labels=50%") == "GPQ, 50 % of the labels"


def test_a_setting_of_the_embedding_says_so():
    assert NAMES.row("pq float.scale=2") == "PQ of the float embedding, embedding: 2 times"
    assert NAMES.short("pq float.scale=2") == "PQ, embedding: 2 times"
    assert NAMES.variant("pq unknown.scale=2") == "embedding: scale 2"


def test_a_target_says_its_option_and_another_part_not_its_set():
    assert NAMES.block("lfw", "lfw+norm_stats=target") == "LFW (own statistics)"
    assert NAMES.block("lfw", "lfw-unseen") == "LFW → new people"
    assert NAMES.block("cifar10", "lfw-unseen") == "CIFAR-10 → LFW, new people"
    assert NAMES.target("lfw+other=1") == "LFW (other=1)"


def test_classes_are_people_unless_said_otherwise():
    assert NAMES.classes_of("cifar10+norm_stats=target") == "classes"
    assert NAMES.classes_of("lfw") == "identities"


def test_a_head_on_a_frozen_embedding_says_so():
    names = Names({"opqn": Name("OPQN", words={"margin": "margin {}"}), "h2q": Name("H²Q")})
    assert names.row("opqn head_only=True") == "OPQN, on the frozen float embedding"
    assert names.row("opqn float.margin=0.2 head_only=True margin=0.3") == (
        "OPQN, embedding: margin 0.2, on the frozen float embedding, margin 0.3"
    )
    assert names.row("h2q cehash.head_only=True") == (
        "H²Q, embedding: on the frozen float embedding"
    )


def test_a_prefix_of_longer_codes_says_so():
    names = Names({"rq": Name("RQ"), "mine": Name("Mine", words={"prefix": "cut from {}"})})
    assert names.row("rq float.size=16 prefix=64") == "RQ, embedding: size 16, prefix of 64 bits"
    assert names.row("mine prefix=64") == "Mine, cut from 64"
