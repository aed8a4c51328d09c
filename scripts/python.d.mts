export const HOW_TO_INSTALL_PYTHON: string;

/** The path of a Python that has the packages that the file lists, in an environment that is made if needed. */
export function findPython(requirementsFile: string): Promise<string>;
