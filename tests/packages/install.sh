#!/usr/bin/env bash
# An environment that sees that of the suite, with the packages of requirements.txt on top; the suite's own is not changed.
#   tests/packages/install.sh <python of the suite> <folder>
# A package that cannot be had is named, and the tests that need it are skipped.
set -euo pipefail
python="$1" folder="$2" here="$(dirname "$0")"
test -x "$folder/bin/python" || "$python" -m venv "$folder"
below="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
above="$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
echo "import site; site.addsitedir('$below')" > "$above/suite.pth"
lock="$folder/lock.txt"  # of what the suite pins, the heavy part is held
grep -E '^(torch|transformers|pytorch-lightning|numpy|scikit-learn)==' "$here/../../requirements.lock" > "$lock"
grep -v '^#' "$here/requirements.txt" | while read -r package; do
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c "$lock" "$package" ||
    echo "packages-test: $package cannot be installed: tests that need it are skipped" >&2
done
# An index has torchvision for torch with CUDA alone, whose compiled operators do not load beside one for the CPU.
if [ -d "$above/torchvision" ] && ! "$folder/bin/python" -c "import torchvision" 2> /dev/null; then
  cp "$here/torchvision_operators.py" "$above"
  sed -i '1i import torchvision_operators' "$above/torchvision/__init__.py"
fi
