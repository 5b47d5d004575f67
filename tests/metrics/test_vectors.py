"""Numbers that other implementations print: equal where they are right, and named where they are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothlab.metrics import (
    RiskCoverage,
    ace,
    augrc,
    aurc,
    brier,
    confidence_auroc,
    confidence_gap,
    coverage_at_risk,
    ece,
    ece_classwise,
    ece_equal_mass,
    ece_kde,
    excess_aurc,
    mce,
    multilabel_metrics,
    nll,
    rmsce,
    rmsce_classwise_debiased,
    rmsce_debiased,
    smece,
)

CASES = ("under_K3", "over_K3", "K2", "tiny_K3")
EXACT = 1e-12
FLOAT32 = 2e-7  # their sums


@pytest.fixture(params=CASES)
def calibration(request, vectors):
    """Probabilities, labels, others' numbers."""
    cases = [case for case in vectors("calibration_metrics")["cases"] if case["name"] == request.param]
    if not cases:
        pytest.skip(f"no case {request.param} in this copy of the vectors")
    inputs = cases[0]["inputs"]
    return np.array(inputs["probs"]), np.array(inputs["target"]), cases[0]["metrics"]


@pytest.fixture(params=CASES)
def selective(request, vectors):
    cases = [case for case in vectors("selective_aurc")["cases"] if case["name"] == request.param]
    if not cases:
        pytest.skip(f"no case {request.param} in this copy of the vectors")
    inputs = cases[0]["inputs"]
    return np.array(inputs["logits"]), np.array(inputs["target"]), cases[0]["metrics"]


@pytest.mark.parametrize("bins", [10, 15])
def test_binned_errors_agree(calibration, bins):
    values, labels, theirs = calibration
    known = {"from_logits": False, "num_bins": bins}
    assert ece(values, labels, **known) == pytest.approx(theirs[f"torrvision_ECE_{bins}"], abs=EXACT)
    assert ece(values, labels, **known) == pytest.approx(theirs[f"verified_ece_{bins}"], abs=EXACT)
    assert ece(values, labels, **known) == pytest.approx(theirs[f"torchmetrics_multiclass_l1_{bins}"], abs=FLOAT32)
    assert ece(values, labels, **known) == pytest.approx(theirs[f"relplot_binnedECE_{bins}"], abs=EXACT)
    assert mce(values, labels, **known) == pytest.approx(theirs[f"torrvision_MCE_{bins}"], abs=EXACT)
    assert ace(values, labels, **known) == pytest.approx(theirs[f"torrvision_ACE_{bins}"], abs=EXACT)
    sce = theirs[f"verified_marginal_l1_equalwidth_{bins}(SCE)"]
    assert ece_classwise(values, labels, **known) == pytest.approx(sce, abs=EXACT)


@pytest.mark.parametrize("bins", [10, 15])
def test_equal_mass_and_squared_errors_agree(calibration, bins):
    values, labels, theirs = calibration
    known = {"from_logits": False, "num_bins": bins}
    assert ece_equal_mass(values, labels, **known) == pytest.approx(theirs[f"verified_ece_em_{bins}"], abs=EXACT)
    plugin = theirs[f"verified_l2_top_plugin_{bins}"]
    assert rmsce(values, labels, scheme="mass", **known) == pytest.approx(plugin, abs=EXACT)
    debiased = theirs[f"verified_l2_top_debiased_{bins}"]
    assert rmsce_debiased(values, labels, **known) == pytest.approx(debiased, abs=EXACT)
    marginal = theirs[f"verified_l2_marginal_debiased_{bins}"]
    assert rmsce_classwise_debiased(values, labels, **known) == pytest.approx(marginal, abs=EXACT)


def test_proper_scores_and_gap_agree(calibration):
    values, labels, theirs = calibration
    assert nll(values, labels, from_logits=False) == pytest.approx(theirs["nll"], abs=EXACT)
    assert brier(values, labels, from_logits=False) == pytest.approx(theirs["brier_multiclass_sum"], abs=EXACT)
    gap = theirs["signed_gap_conf_minus_acc"]
    assert confidence_gap(values, labels, from_logits=False) == pytest.approx(gap, abs=EXACT)


@pytest.mark.parametrize("kind", ["canonical", "marginal", "top_label"])
@pytest.mark.parametrize("bandwidth", [0.02, 0.1])
def test_kernel_errors_agree(calibration, kind, bandwidth):
    values, labels, theirs = calibration
    ours = ece_kde(values, labels, from_logits=False, kind=kind, bandwidth=bandwidth)
    tolerance = 5e-7 if kind == "canonical" else EXACT  # theirs is float32 inside for canonical
    assert ours == pytest.approx(theirs[f"ece_kde_{kind}_p1_bw{bandwidth}"], abs=tolerance)


def test_two_columns_given_to_netcal_are_the_positive_class_not_the_predicted_one(vectors):
    case = next(c for c in vectors("calibration_metrics")["cases"] if c["name"] == "K2")
    values, labels = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["target"])
    ours = multilabel_metrics(values[:, 1:], labels[:, None], from_logits=False, num_bins=10)
    assert ours["ece"] == pytest.approx(case["metrics"]["netcal_ECE_10"], abs=EXACT)
    assert ours["mce"] == pytest.approx(case["metrics"]["netcal_MCE_10"], abs=EXACT)
    assert ece(values, labels, from_logits=False, num_bins=10) < 0.7 * ours["ece"]


def test_torchmetrics_rounds_confidences_to_one_and_gives_them_a_bin_of_their_own(vectors):
    case = next(c for c in vectors("calibration_metrics")["cases"] if c["name"] == "over_K3")
    values, labels = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["target"])
    assert (values.max(1).astype(np.float32) == 1).any()
    ours = rmsce(values, labels, from_logits=False, num_bins=10)
    assert abs(ours - case["metrics"]["torchmetrics_multiclass_l2_10"]) > 2e-4
    # the last bin of theirs, split by hand, gives their number
    confidence, correct = values.max(1), values.argmax(1) == labels
    index = np.minimum((confidence * 10).astype(int), 9) + (confidence.astype(np.float32) == 1)
    squares = [(confidence[index == b] - correct[index == b]).mean() ** 2 * (index == b).mean() for b in set(index)]
    theirs = case["metrics"]["torchmetrics_multiclass_l2_10"]
    assert np.sqrt(sum(squares)) == pytest.approx(theirs, abs=FLOAT32)


def test_torch_uncertainty_has_no_equal_mass_error_below_as_many_samples_as_bins(vectors):
    case = next(c for c in vectors("calibration_metrics")["cases"] if c["name"] == "tiny_K3")
    values, labels = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["target"])
    assert np.isnan(case["metrics"]["tu_adaptive_l1_10"])
    residual = values.max(1) - (values.argmax(1) == labels)
    ours = ece_equal_mass(values, labels, from_logits=False, num_bins=10)
    assert ours == pytest.approx(np.abs(residual).mean(), abs=EXACT)  # one sample a bin


def test_netcal_cuts_equal_mass_bins_at_quantiles_that_no_sample_has(calibration):
    values, labels, theirs = calibration
    ours = ece_equal_mass(values, labels, from_logits=False, num_bins=15)
    if len(labels) > 15:
        assert abs(ours - theirs["netcal_ECE_equalmass_15"]) > 5e-4
    confidence = values.max(1)
    parts = np.array_split(np.argsort(confidence), 15)
    residual = confidence - (values.argmax(1) == labels)
    brute = sum(abs(residual[part].sum()) for part in parts) / len(labels)
    assert ours == pytest.approx(brute, abs=EXACT)


def quadrature(confidence, residual, width, points=40_001):
    """Smooth error by definition: reflected Gaussians summed one by one, a fine trapezoid."""
    t = np.linspace(0, 1, points)
    curve = np.zeros(points)
    for shift in range(-3, 4):
        for place, part in zip(confidence, residual, strict=True):
            for image in (place + 2 * shift, -place + 2 * shift):
                if abs(image - 0.5) < 0.5 + 9 * width:
                    curve += part * np.exp(-0.5 * ((t - image) / width) ** 2)
    return np.trapezoid(np.abs(curve), t) / (np.sqrt(2 * np.pi) * width * len(confidence))


@pytest.mark.parametrize("width", [0.05, 0.1])
def test_smooth_error_is_its_integral_where_relplot_is_off_by_its_mesh(calibration, width):
    values, labels, theirs = calibration
    ours = smece(values, labels, from_logits=False, width=width)
    confidence = values.max(1)
    exact = quadrature(confidence, confidence - (values.argmax(1) == labels), width)
    assert ours == pytest.approx(exact, abs=1e-8)
    assert ours == pytest.approx(theirs[f"relplot_smECE_sigma{width}"], rel=0.07)


def test_smooth_error_is_a_fixed_point_next_to_relplots(calibration):
    values, labels, theirs = calibration
    ours = smece(values, labels, from_logits=False)
    assert smece(values, labels, from_logits=False, width=ours) == pytest.approx(ours, abs=1e-9)
    assert ours == pytest.approx(theirs["relplot_smECE"], rel=0.06)
    assert ours >= abs(confidence_gap(values, labels, from_logits=False)) - 1e-9


def test_one_sided_residuals_smooth_to_the_gap_where_relplot_is_six_percent_above(vectors):
    case = next(c for c in vectors("calibration_metrics")["cases"] if c["name"] == "over_K3")
    values, labels = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["target"])
    ours, gap = smece(values, labels, from_logits=False), confidence_gap(values, labels, from_logits=False)
    assert ours == pytest.approx(gap, abs=1e-9)  # the curve has one sign, and smoothing keeps its mass
    assert case["metrics"]["relplot_smECE"] > 1.05 * gap


def test_bandwidth_search_is_the_leave_one_out_likelihood_not_divided_once_more(vectors):
    from smoothlab.metrics.kernel import GRID, kde_bandwidth

    case = next(c for c in vectors("calibration_metrics")["cases"] if c["name"] == "tiny_K3")
    p = torch.tensor(case["inputs"]["probs"], dtype=torch.float64)

    def likelihood(bandwidth):
        total = 0.0
        for i in range(len(p)):
            kernels = [
                torch.distributions.Dirichlet(p[j] / bandwidth + 1).log_prob(p[i]).exp()
                for j in range(len(p))
                if j != i
            ]
            total += float(torch.stack(kernels).mean().log())
        return total

    best = max(GRID, key=likelihood)
    assert kde_bandwidth(p) == pytest.approx(best)
    assert case["metrics"]["ece_kde_bandwidth"] < best


def test_areas_agree_by_each_rule(selective):
    values, labels, theirs = selective
    known = {"from_logits": True}
    assert aurc(values, labels, **known) == pytest.approx(theirs["geifman_mean_AURC"], abs=EXACT)
    trapezoid = theirs["torch_uncertainty_AURC"]
    assert aurc(values, labels, rule="trapezoid", **known) == pytest.approx(trapezoid, abs=EXACT)
    assert aurc(values, labels, rule="origin", **known) == pytest.approx(theirs["lfpc_AURC"], abs=EXACT)
    assert aurc(values, labels, rule="origin", **known) == pytest.approx(theirs["ensta_trapz_AURC"], abs=EXACT)
    excess = theirs["lfpc_E_AURC"]
    assert excess_aurc(values, labels, rule="origin", **known) == pytest.approx(excess, abs=EXACT)
    generalised = theirs["torch_uncertainty_AUGRC"]
    assert augrc(values, labels, rule="trapezoid", **known) == pytest.approx(generalised, abs=EXACT)
    assert confidence_auroc(values, labels, **known) == pytest.approx(theirs["lfpc_AUROC"], abs=EXACT)
    reached = theirs["torch_uncertainty_CovAt0.2Risk"]
    assert coverage_at_risk(values, labels, risk=0.2, **known) == pytest.approx(reached, abs=EXACT)


def p_norm_score(logits, power):
    centred = logits - logits.mean(1, keepdims=True)
    return (centred / np.linalg.norm(centred, ord=power, axis=1, keepdims=True)).max(1)


@pytest.mark.parametrize("power", [2, 4, 8])
def test_areas_of_other_scores_agree(selective, power):
    values, labels, theirs = selective
    if values.shape[1] == 2:
        pytest.skip("this score is one constant for two classes: see the next test")
    area = RiskCoverage.from_scores(p_norm_score(values, power), values.argmax(1) == labels).area("origin")
    assert area == pytest.approx(theirs[f"lfpc_AURC_MaxLogit_pNorm_p{power}"], abs=EXACT)


def test_a_constant_score_has_one_area_where_others_rank_by_rounding_noise(vectors):
    case = next(c for c in vectors("selective_aurc")["cases"] if c["name"] == "K2")
    values, labels = np.array(case["inputs"]["logits"]), np.array(case["inputs"]["target"])
    theirs = [case["metrics"][f"lfpc_AURC_MaxLogit_pNorm_p{power}"] for power in (2, 4, 8)]
    assert max(theirs) - min(theirs) > 0.04
    correct = values.argmax(1) == labels
    for power in (2, 4, 8):
        ours = RiskCoverage.from_scores(np.round(p_norm_score(values, power), 9), correct).area()
        assert ours == pytest.approx(1 - correct.mean(), abs=EXACT)


def test_closed_form_of_the_excess_leaves_something_to_a_perfect_ranking(selective):
    values, labels, theirs = selective
    error = float((values.argmax(1) != labels).mean())
    asymptotic = error + (1 - error) * np.log(1 - error)
    closed = theirs["geifman_E_AURC_closed_form(AURC-(e+(1-e)ln(1-e)))"]
    assert aurc(values, labels, from_logits=True) - asymptotic == pytest.approx(closed, abs=EXACT)
    assert excess_aurc(values, labels, from_logits=True) < closed
    correct = values.argmax(1) == labels
    perfect = RiskCoverage.from_scores(correct.astype(float), correct)
    assert perfect.area() == pytest.approx(perfect.oracle().area(), abs=EXACT)
    assert perfect.area() - asymptotic > 1e-4


def test_coverage_at_risk_is_a_number_where_torch_uncertainty_has_none(selective):
    values, labels, theirs = selective
    ours = coverage_at_risk(values, labels, from_logits=True, risk=0.05)
    wrong = (values.argmax(1) != labels)[np.argsort(-values.max(1) + np.log(np.exp(values).sum(1)))]
    risks = wrong.cumsum() / np.arange(1, len(wrong) + 1)
    within = np.flatnonzero(risks <= 0.05)
    assert ours == pytest.approx((within[-1] + 1) / len(wrong) if len(within) else 0.0)
    if not np.isnan(theirs["torch_uncertainty_CovAt0.05Risk"]):
        assert ours == pytest.approx(theirs["torch_uncertainty_CovAt0.05Risk"])
