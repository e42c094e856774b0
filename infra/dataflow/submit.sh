#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the image, make the Flex Template, start a job, release what it made.
set -euo pipefail

usage() {
  cat >&2 <<'TEXT'
usage: submit.sh image                     build the image and push it; prints its digest
       submit.sh template DIGEST           write the template to $BUCKET
       submit.sh start DIGEST JOB OUTPUT   start a job: JOB, OUTPUT on gs://
       submit.sh finish DIGEST JOB OUTPUT  release what it made: the same job, on this machine
environment: PROJECT REGION REPOSITORY BUCKET SERVICE_ACCOUNT SUBNETWORK
  REPOSITORY  Artifact Registry: europe-west4-docker.pkg.dev/PROJECT/NAME
  BUCKET      gs://BUCKET for the template and Beam's own files
TEXT
  exit 2
}

[ $# -ge 1 ] || usage
: "${PROJECT:?}" "${REGION:?}" "${REPOSITORY:?}" "${BUCKET:?}"
image="$REPOSITORY/muniment"
template="$BUCKET/templates/muniment.json"
cd "$(dirname "$0")/../.."

case "$1" in
  image)
    make wheel
    docker build --pull --file infra/dataflow/Dockerfile --tag "$image:latest" .
    docker push "$image:latest"
    docker inspect --format '{{index .RepoDigests 0}}' "$image:latest" | sed 's/.*@//'
    ;;
  template)
    [ $# -eq 2 ] || usage
    gcloud dataflow flex-template build "$template" \
      --project "$PROJECT" --image "$image@$2" --sdk-language PYTHON \
      --metadata-file infra/dataflow/metadata.json
    ;;
  start)
    [ $# -eq 4 ] || usage
    : "${SERVICE_ACCOUNT:?}" "${SUBNETWORK:?}"
    # Launcher and workers are the same bytes: the code that plans is the code that runs.
    gcloud dataflow flex-template run "muniment-$(date +%Y%m%d-%H%M%S)" \
      --project "$PROJECT" --region "$REGION" --template-file-gcs-location "$template" \
      --service-account-email "$SERVICE_ACCOUNT" --subnetwork "$SUBNETWORK" \
      --disable-public-ips --staging-location "$BUCKET/staging" --temp-location "$BUCKET/tmp" \
      --parameters "job=$3,output=$4,sdk_container_image=$image@$2"
    ;;
  finish)
    [ $# -eq 4 ] || usage
    docker run --rm --entrypoint muniment "$image@$2" \
      run "$3" --output "$4" --exchange files --workers 1
    ;;
  *) usage ;;
esac
