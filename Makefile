# make test   everything that is checked: formatting, vet, staticcheck, all tests. Last line: "N passed, N failed"
# make build  bin/starkeep and bin/starkeep-worker
# make tools  bin/temporal (CLI and dev server), bin/versitygw and bin/minio (S3), bin/fakegcs (GCS), bin/hadoop (HDFS), bin/toxiproxy (faults), bin/staticcheck: pinned in deploy/*.mod and deploy/hdfs/pom.xml
# make demo   the main job on an embedded default
# make adversarial  2,000 random stories of damage, faults and restores (make test tells the first 30), and 1,000 schedules of everything at once
#             (make test: 100); logs in adversarial.log and together.log
# make bench  benchmarks, printed as ratios

SHELL := /bin/bash
.DEFAULT_GOAL := build

# Tools are built again only when their pins change: the stamp's name holds the pins' checksum.
pins   = $(shell cat $(1).mod $(1).sum | sha256sum | cut -c1-12)
TOOLS := bin/.tools-$(call pins,deploy/tools)
LINT  := bin/.lint-$(call pins,deploy/lint)
TOXI  := bin/.toxiproxy-$(call pins,deploy/toxiproxy)
MINIO := bin/.minio-$(call pins,deploy/minio)
GCS   := bin/.gcs-$(call pins,deploy/gcs)
HDFS  := bin/.hadoop-$(shell sha256sum deploy/hdfs/pom.xml | cut -c1-12)
RCLONE := bin/.rclone-$(call pins,deploy/rclone)
S5CMD := bin/.s5cmd-$(call pins,deploy/s5cmd)
STRIP := -ldflags '-s -w'

# Kept beside Go's build cache: whoever keeps that between runs keeps the analysis of dependencies too.
export STATICCHECK_CACHE ?= $(shell go env GOCACHE)/staticcheck

.PHONY: build tools test adversarial bench demo standalone clean

build:
	go build $(STRIP) -o bin/starkeep ./starter
	go build $(STRIP) -o bin/starkeep-worker ./worker

tools: $(TOOLS) $(LINT) $(MINIO) $(TOXI) $(GCS) $(HDFS)

$(TOOLS):
	@mkdir -p bin
	@rm -f bin/.tools-*
	go build -modfile=deploy/tools.mod $(STRIP) -o bin/versitygw github.com/versity/versitygw/cmd/versitygw
	go build -modfile=deploy/tools.mod $(STRIP) -o bin/temporal github.com/temporalio/cli/cmd/temporal
	@touch $@

$(LINT):
	@mkdir -p bin
	@rm -f bin/.lint-*
	go build -modfile=deploy/lint.mod $(STRIP) -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@touch $@

$(TOXI):
	@mkdir -p bin
	@rm -f bin/.toxiproxy-*
	go build -modfile=deploy/toxiproxy.mod $(STRIP) -o bin/toxiproxy github.com/Shopify/toxiproxy/v2/cmd/server
	@touch $@

$(MINIO):
	@mkdir -p bin
	@rm -f bin/.minio-*
	go build -modfile=deploy/minio.mod $(STRIP) -o bin/minio github.com/minio/minio
	@touch $@

$(GCS):
	@mkdir -p bin
	@rm -f bin/.gcs-*
	go build -modfile=deploy/gcs.mod $(STRIP) -o bin/fakegcs github.com/fsouza/fake-gcs-server
	@touch $@

$(HDFS):
	@mkdir -p bin
	@rm -rf bin/.hadoop-* bin/hadoop
	mvn -B -q -f deploy/hdfs/pom.xml dependency:copy-dependencies
	@touch $@

test: tools build
	@go run ./test/house/check

# One story again: go test ./test/adversarial -run 'TestAdversarialRestore/seed=17$$' -v, with STARKEEP_SEEDS for those past 30.
SEEDS ?= 2000
SCHEDULES ?= 1000
adversarial: tools
	set -o pipefail; STARKEEP_SCHEDULES=$(SCHEDULES) go test ./activities -run TestNothingBreaksAPointTogether -v -count=1 -timeout 24h 2>&1 | tee together.log
	set -o pipefail; STARKEEP_SEEDS=$(SEEDS) go test ./test/adversarial -run TestAdversarialRestore -v -count=1 -timeout 24h 2>&1 | tee adversarial.log

# bin/rclone and bin/s5cmd are only compared with; nothing else needs them.
bench: tools $(RCLONE) $(S5CMD)
	go test ./test/bench -run '^$$' -bench . -benchtime 1x -timeout 8h

$(RCLONE):
	@mkdir -p bin
	@rm -f bin/.rclone-*
	go build -modfile=deploy/rclone.mod $(STRIP) -o bin/rclone github.com/rclone/rclone
	@touch $@

$(S5CMD):
	@mkdir -p bin
	@rm -f bin/.s5cmd-*
	go build -modfile=deploy/s5cmd.mod $(STRIP) -o bin/s5cmd github.com/peak/s5cmd/v2
	@touch $@

demo:
	go -C deploy/standalone run $(STRIP) . demo

standalone:
	go -C deploy/standalone build $(STRIP) -o ../../bin/starkeep-standalone .

clean:
	rm -rf bin
