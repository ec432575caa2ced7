"""What is told of the adapters that a training chose among."""

from dataclasses import asdict

from adapterd.formats.judged_step import JudgedStep, judged_steps


def test_each_adapter_has_a_line_and_the_one_that_was_taken_says_so() -> None:
    judged = [JudgedStep(40, 0.3, 0.5, 0.0, 12), JudgedStep(60, 0.4, 0.75, 1 / 12, 12)]
    assert list(judged_steps({"best_step": 60, "judged": [asdict(each) for each in judged]})) == [
        "step 40: 0.500 on 12 prompts of validation",
        "step 60: 0.750 on 12 prompts of validation, 8% of the answers cut; taken",
    ]


def test_a_training_that_chose_by_its_loss_has_none() -> None:
    assert list(judged_steps({"best_step": 60, "judged": []})) == []
    assert list(judged_steps({"best_step": 60})) == []
