#!/bin/sh
# Tell Prefect that a subject lies complete in the capture: its run of matte-captures starts.
#
#   infra/events/subject-uploaded.sh 031                    # the server that PREFECT_API_URL names, or this machine's
#
# The last step of an upload, or of whatever watches a bucket: the same request with the subject of the object's key.
set -eu
subject=${1:?which subject? such as: subject-uploaded.sh 031}
api=${PREFECT_API_URL:-http://127.0.0.1:4200/api}
case $subject in
*[!A-Za-z0-9._+-]*)
    echo "subject-uploaded.sh: letters, digits and . _ + - are wanted in a subject, found: $subject" >&2
    exit 2
    ;;
esac
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
curl --fail --silent --show-error --retry 5 --retry-connrefused --retry-delay 2 \
    --header "content-type: application/json" \
    ${PREFECT_API_KEY:+--header "authorization: Bearer $PREFECT_API_KEY"} \
    --data "[{\"id\": \"$id\", \"occurred\": \"$now\", \"event\": \"cleanplate.subject.uploaded\",
              \"resource\": {\"prefect.resource.id\": \"cleanplate.subject.$subject\"},
              \"payload\": {\"subject\": \"$subject\"}}]" \
    "$api/events"
echo "subject $subject: told $api"
