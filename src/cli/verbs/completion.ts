import { DrayageError, EXIT } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { Verb } from '../verb.ts';

/** Each asks `dray complete` with the words so far, and leaves the rest to the names of files. */
const SCRIPTS = {
  bash: `_dray() {
  local line words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  while IFS= read -r line; do
    [[ -n $line ]] && COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(dray complete -- "\${words[@]}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _dray dray`,
  zsh: `#compdef dray
_dray() {
  local line
  local -a found
  for line in "\${(@f)$(dray complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${line/$'\\t'/:}")
  done
  if (( \${#found} )); then _describe dray found; else _files; fi
}
compdef _dray dray`,
  fish: `function __dray_complete
  set -l found (dray complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c dray -f -a '(__dray_complete)'`,
} as const;

const SHELLS = Object.keys(SCRIPTS);

export const completion: Verb = {
  usage: 'completion <shell>',
  summary: `print a script that completes commands, options, jobs and parameters: ${SHELLS.join(', ')}`,
  example: 'source <(dray completion bash)',
  values: { shell: SHELLS },
  async run({ args: [shell], out }) {
    if (!SHELLS.includes(shell!)) {
      throw new DrayageError('USAGE', `"${shell}" is no shell that can be completed.${didYouMean(shell!, SHELLS)}`, {
        hint: `Use ${SHELLS.join(', ')}.`,
      });
    }
    const script = SCRIPTS[shell as keyof typeof SCRIPTS];
    out.answer({ shell, script }, () => script);
    return EXIT.done;
  },
};
